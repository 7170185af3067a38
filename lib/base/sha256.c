/*
 * By libcrypto's own SHA-256, as it was before there were providers: the same instructions, but
 * the first digest of a process costs nothing.  EVP sets up a provider with all that it has first,
 * which takes 1.1 ms and 300 KiB, and most of our processes make few digests.
 */
#define OPENSSL_API_COMPAT 10100 /* when these were not yet called old */

#include "base/sha256.h"

#include <openssl/crypto.h>
#include <openssl/sha.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* Its functions fail only when misused. */
struct sha256 {
	SHA256_CTX ctx;
};

struct sha256 *
sha256_new(struct err *e)
{
	struct sha256 *h = malloc(sizeof *h);

	if (h == NULL)
		err_memory(e);
	else
		sha256_reset(h);
	return h;
}

void
sha256_reset(struct sha256 *h)
{
	(void)SHA256_Init(&h->ctx);
}

void
sha256_add(struct sha256 *h, const void *p, size_t n)
{
	(void)SHA256_Update(&h->ctx, p, n);
}

void
sha256_hex(struct sha256 *h, char out[SHA256_HEX])
{
	static const char hex[] = "0123456789abcdef";
	unsigned char raw[SHA256_DIGEST_LENGTH];

	(void)SHA256_Final(raw, &h->ctx);
	for (int i = 0; i < 32; i++) {
		out[2 * i] = hex[raw[i] >> 4];
		out[2 * i + 1] = hex[raw[i] & 15];
	}
	out[64] = '\0';
}

void
sha256_free(struct sha256 *h)
{
	free(h);
}

bool
sha256_equal(const char *a, const char *b)
{
	char low[2][64];

	if (strlen(a) != 64 || strlen(b) != 64)
		return false;
	for (int i = 0; i < 64; i++) {
		low[0][i] = (char)tolower((unsigned char)a[i]);
		low[1][i] = (char)tolower((unsigned char)b[i]);
	}
	return CRYPTO_memcmp(low[0], low[1], 64) == 0;
}
