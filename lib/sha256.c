#include "sha256.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <ctype.h>
#include <string.h>

/* The object is libcrypto's own context; its update and final calls fail only when misused. */
struct sha256 *
sha256_new(struct err *e)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();

	if (ctx == NULL || EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) != 1) {
		EVP_MD_CTX_free(ctx);
		(void)err_memory(e);
		return NULL;
	}
	return (struct sha256 *)ctx;
}

void
sha256_reset(struct sha256 *h)
{
	(void)EVP_DigestInit_ex((EVP_MD_CTX *)h, NULL, NULL);
}

void
sha256_add(struct sha256 *h, const void *p, size_t n)
{
	(void)EVP_DigestUpdate((EVP_MD_CTX *)h, p, n);
}

void
sha256_hex(struct sha256 *h, char out[SHA256_HEX])
{
	static const char hex[] = "0123456789abcdef";
	unsigned char raw[EVP_MAX_MD_SIZE];

	(void)EVP_DigestFinal_ex((EVP_MD_CTX *)h, raw, NULL);
	for (int i = 0; i < 32; i++) {
		out[2 * i] = hex[raw[i] >> 4];
		out[2 * i + 1] = hex[raw[i] & 15];
	}
	out[64] = '\0';
}

void
sha256_free(struct sha256 *h)
{
	EVP_MD_CTX_free((EVP_MD_CTX *)h);
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
