/*
 * upload - the body of a START, produced while it is sent.
 *
 * The archive goes from its file through base64 into the message; the message around it is made
 * beforehand, so that the length is known and nothing but a piece is ever in memory.
 */
#ifndef UPLOAD_H
#define UPLOAD_H

#include <jansson.h>
#include <stdint.h>

#include "client.h"
#include "err.h"

struct upload;

/* Prepare ${start}, whose transportHandle.workspaceBase64 is "", with the ${size} bytes of ${fd} in
 * that place.  Both are only read; ${fd} by offset, from 0. */
struct upload *upload_new(const json_t *start, int fd, uint64_t size,
			  void (*progress)(void *arg, uint64_t done, uint64_t size), void *arg,
			  struct err *e);

/* The body to give to client_send; it begins at its beginning again with every call of this. */
struct client_body upload_body(struct upload *u);

void upload_free(struct upload *u);

#endif
