/*
 * convert - one archive format to another, in one pass, in little memory.
 */
#ifndef CONVERT_H
#define CONVERT_H

#include "err.h"
#include "pack.h"

/* Read the archive in ${from} (seekable, checked by unpack before) from its beginning and write its
 * entries as ${format} to ${to}. */
int convert(int from, int to, enum pack_format format, struct err *e);

#endif
