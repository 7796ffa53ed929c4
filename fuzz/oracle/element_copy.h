// What a copy between typed lists comes to (TypedArray.prototype.set): an independent model of the
// conversions, with the language's own arithmetic, for alloc/buffers/view.c to be held against.
#pragma once

#include "corpus/trace/trace.h"

// Copies `length` elements, as if all were read before one is written; kinds are trace_view_kinds',
// both of BigInts, or both of numbers, or both `bytes`. NaNs are written as the canonical one, but
// by a copy within a kind, which keeps all bits. `old` has room for what is read.
void element_copy(uint32_t to_kind, void *to, uint32_t from_kind, const void *from, uint32_t length,
                  void *old);

// The bits of an element of 1 … 8 bytes, as its bytes say in that order.
uint64_t element_bits(const unsigned char *at, uint32_t bytes, bool little_endian);
