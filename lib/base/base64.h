/*
 * base64 - RFC 4648 section 4, in a stream.
 *
 * Big bytes are base64 only while they pass through the wire, so both directions take pieces of
 * any size and keep at most three bytes between calls.
 */
#ifndef BASE_BASE64_H
#define BASE_BASE64_H

#include "base/err.h"

/* Length of the text that encodes ${n} bytes, padding included. */
#define BASE64_LENGTH(n) (((n) + 2) / 3 * 4)

/* Encode ${n} bytes into ${out} (BASE64_LENGTH(n) bytes, no NUL). Only the last piece of a stream
 * may have an ${n} that is not a multiple of 3.  Returns the bytes written. */
size_t base64_encode(const unsigned char *p, size_t n, char *out);

struct base64_decoder {
	uint32_t bits;  /* the digits of an unfinished group of four */
	unsigned count; /* how many of them: 0 to 3 */
	unsigned pads;  /* '=' seen; after the first nothing but '=' may come */
};

/* Decode ${n} characters into ${out}, which has room for n/4*3 + 3 bytes, and add what was written
 * to *${len}.  CR and LF are skipped (MIME writers break lines); anything else that is not base64
 * fails with ERR_CHECKSUM_MISMATCH.  Zero ${d} before the first call. */
int base64_decode(struct base64_decoder *d, const char *p, size_t n, unsigned char *out,
		  size_t *len, struct err *e);

/* Check that the text did not end inside a group. */
int base64_finish(const struct base64_decoder *d, struct err *e);

#endif
