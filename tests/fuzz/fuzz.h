/*
 * fuzz - what the targets share.
 *
 * A target is a function that libFuzzer calls with one input after the other (make fuzz), and that
 * replay.c calls with the inputs in corpus/ (make check).  It aborts when a promise is broken.
 */
#ifndef FUZZ_H
#define FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

#define PROMISE(good_)                                                 \
	do {                                                           \
		if (!(good_)) {                                        \
			(void)fprintf(stderr, "broken: %s\n", #good_); \
			abort();                                       \
		}                                                      \
	} while (0)

/* A file in memory with these bytes. */
static inline int
fuzz_file(const void *p, size_t n)
{
	int fd = memfd_create("fuzz", MFD_CLOEXEC);

	PROMISE(fd >= 0 && write(fd, p, n) == (ssize_t)n);
	return fd;
}

#endif
