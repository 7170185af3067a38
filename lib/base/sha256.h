/*
 * sha256 - SHA-256 in a stream, by libcrypto.
 */
#ifndef BASE_SHA256_H
#define BASE_SHA256_H

#include "base/err.h"

#define SHA256_HEX 65 /* hex digits and a NUL */

struct sha256;

/* Begin a digest.  NULL on failure. */
struct sha256 *sha256_new(struct err *e);

/* Begin again with the same object. */
void sha256_reset(struct sha256 *h);

void sha256_add(struct sha256 *h, const void *p, size_t n);

/* Write the digest as lower-case hex; only sha256_reset or sha256_free may follow. */
void sha256_hex(struct sha256 *h, char out[SHA256_HEX]);

void sha256_free(struct sha256 *h);

/* Compare two hex digests without regard to case, in constant time. */
bool sha256_equal(const char *a, const char *b);

#endif
