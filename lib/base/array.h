/* array - arrays that grow. */
#ifndef BASE_ARRAY_H
#define BASE_ARRAY_H

#include "base/err.h"

/* Have room for ${need} elements of ${size} bytes in ${array} (NULL at first), which has room for
 * *${cap}.  Returns the array, perhaps moved; NULL if memory is out, and ${array} stays valid. */
void *array_grow(void *array, size_t need, size_t *cap, size_t size, struct err *e);

#endif
