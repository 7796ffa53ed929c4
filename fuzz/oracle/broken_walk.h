// Heap walks with one word of the heap overwritten. For any value, the walk must end and must write
// nothing; its result is ignored. So validate can be called on a heap that may be damaged.
#pragma once

#include "alloc/conformance/oracle.h"

enum { BROKEN_WALKS = 32 };

// Overwrites BROKEN_WALKS words, chosen by `seed`, one at a time: in the heap's state, beside live
// blocks, and anywhere. Each is restored. Does nothing if a walk is not cheap. Returns false if a
// law is broken. O(BROKEN_WALKS heap).
bool broken_walks(oracle *oracle, uint64_t seed);

// The same for all words of the heap's state and beside live blocks, with 18 values each.
bool broken_walks_all(oracle *oracle);
