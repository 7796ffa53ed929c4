// What a copy between typed lists comes to (TypedArray.prototype.set): an independent model of the
// conversions, with the language's own arithmetic, for alloc/view.c to be held against.
#pragma once

#include "corpus/trace.h"

// Copies `length` elements, as if all were read before one is written; kinds are trace_view_kinds',
// both of BigInts, or both of numbers, or both `bytes`. NaNs are written as the canonical one, but
// by a copy within a kind, which keeps all bits. `old` has room for what is read.
void element_copy(uint32_t to_kind, void *to, uint32_t from_kind, const void *from, uint32_t length,
                  void *old);
