// The result of copying between typed arrays (TypedArray.prototype.set): an independent model of
// the conversions in the language's own arithmetic, to check alloc/buffers/view.c.
#pragma once

#include "corpus/trace/trace.h"

// Copies `length` elements as if all were read before one is written. The kinds are those of
// trace_view_kinds, both of BigInts, both of numbers, or both `bytes`. NaNs become the canonical
// one, except in a copy within one kind, which keeps all bits. `old` has room for the source's
// bytes.
void element_copy(uint32_t to_kind, void *to, uint32_t from_kind, const void *from, uint32_t length,
                  void *old);

// The bits of an element of 1 … 8 bytes, in native byte order.
uint64_t element_bits(const unsigned char *at, uint32_t bytes, bool little_endian);
