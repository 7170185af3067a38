/*
 * upload - the body of a START, produced while it is sent.
 *
 * The archive goes from its file through base64 into the message; the message around it is made
 * beforehand, so that the length is known and only a piece is ever in memory.  The checksum
 * comes after the archive, so that it can be computed on the way.
 */
#ifndef WIRE_UPLOAD_H
#define WIRE_UPLOAD_H

#include <jansson.h>

#include "wire/client.h"

/* What stands in ${start} for the checksum. */
#define UPLOAD_CHECKSUM "0000000000000000000000000000000000000000000000000000000000000000"

struct upload;

/* Prepare ${start}, whose transportHandle has "workspaceBase64" "" and then "checksum"
 * UPLOAD_CHECKSUM, with the ${size} bytes of ${fd} and their SHA-256 in these places.  Both are
 * only read; ${fd} by offset, from 0. */
struct upload *upload_new(const json_t *start, int fd, uint64_t size,
			  void (*progress)(void *arg, uint64_t done, uint64_t size), void *arg,
			  struct err *e);

/* The body to give to client_send; it begins at its beginning again with every call of this. */
struct client_body upload_body(struct upload *u);

void upload_free(struct upload *u);

#endif
