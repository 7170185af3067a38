/*
 * run_profiles - awcp-run --profiles and --clear.
 */
#ifndef RUN_PROFILES_H
#define RUN_PROFILES_H

#include <stdbool.h>

/* Print the profiles that were ever used, ${json}: as NDJSON; returns the exit status. */
int run_list(bool json);

/* For command_each: let profile or queue ${name} go on at once. */
int run_clear(void *arg, const char *name);

#endif
