// memset to zero and memcpy for sparsely touched memories: strategies in fuzz targets call them, so
// that 4 GiB of zeroes cost only the touched pages. Large ranges must be private and anonymous
// mappings; the effect is that of the C library's functions.
#pragma once

#include <stddef.h>

void *sparse_memset(void *to, int byte, size_t count);
void *sparse_memcpy(void *restrict to, const void *restrict from, size_t count);
