/*
 * id - names for delegations, snapshots and resources.
 *
 * An id that comes from the network or from a person is data: it must pass id_valid before it is
 * used in a path (AWCP v1: delegation ids are dlg_ + 32 hex digits, snapshot ids snap_ + 12).
 */
#ifndef BASE_ID_H
#define BASE_ID_H

#include "base/err.h"

#define ID_MAX 128 /* longest id, without the NUL */

/* True if ${s} matches ^[A-Za-z0-9_-]{1,128}$. */
bool id_valid(const char *s);

/* Write ${prefix} and ${digits} random hex digits (even, at most 64) into ${out}. */
int id_make(const char *prefix, size_t digits, char out[ID_MAX + 1], struct err *e);

/* True if ${name} can name a resource: 1 to 255 bytes of UTF-8, no slash, no control character,
 * not ".", ".." or ".awcp". */
bool id_resource_valid(const char *name);

/* The same for a resource of a peer, whose name may be a path of such names: "docs/manual". */
bool id_resource_path_valid(const char *name);

#endif
