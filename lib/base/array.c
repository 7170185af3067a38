#include "base/array.h"

#include <stdlib.h>

void *
array_grow(void *array, size_t need, size_t *cap, size_t size, struct err *e)
{
	size_t more = *cap + *cap / 2 + 64;

	if (need <= *cap)
		return array;
	if (more < need)
		more = need;
	array = reallocarray(array, more, size);
	if (array == NULL) {
		err_memory(e);
		return NULL;
	}
	*cap = more;
	return array;
}
