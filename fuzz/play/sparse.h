// memset to zero and memcpy for memories of which little was ever touched: what strategies call in
// fuzz targets, so that 4 GiB of zeroes cost what was touched of them. Large ranges must be private
// and anonymous; the effect is that of the C library's functions.
#pragma once

#include <stddef.h>

void *sparse_memset(void *to, int byte, size_t count);
void *sparse_memcpy(void *restrict to, const void *restrict from, size_t count);
