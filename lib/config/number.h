/* number - numbers as people write them: digits, with K, M, G or T after them for powers of 1024.
 */
#ifndef CONFIG_NUMBER_H
#define CONFIG_NUMBER_H

/* The number that ${text} is, into *${value}; -1 if it is none. */
int number_parse(const char *text, long long *value);

#endif
