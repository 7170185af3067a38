/*
 * fuzz - what the targets share.
 *
 * A target is a function that libFuzzer calls with one input after the other (make fuzz), and that
 * replay.c calls with the inputs in corpus/ (make check).  It aborts when a promise is broken.
 */
#ifndef FUZZ_H
#define FUZZ_H

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
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

#define FUZZ_STACK ((size_t)256 * 1024) /* of a thread that answers requests */

struct fuzz_input {
	const uint8_t *p;
	size_t n;
};

/* Call ${work} with the ${n} bytes at ${p} in a thread with the stack that it has in the programs.
 * A sanitizer's frames are larger. */
static inline int
fuzz_in_thread(void *(*work)(void *input), const uint8_t *p, size_t n)
{
	struct fuzz_input input = {p, n};
	pthread_attr_t attributes;
	pthread_t thread;

	PROMISE(pthread_attr_init(&attributes) == 0);
#ifdef SANITIZED
	PROMISE(pthread_attr_setstacksize(&attributes, 4 * FUZZ_STACK) == 0);
#else
	PROMISE(pthread_attr_setstacksize(&attributes, FUZZ_STACK) == 0);
#endif
	PROMISE(pthread_create(&thread, &attributes, work, &input) == 0);
	PROMISE(pthread_join(thread, NULL) == 0);
	(void)pthread_attr_destroy(&attributes);
	return 0;
}

#endif
