// Walks over a heap of which one word is broken. Whatever stands there, the walk must come to its
// end and write nothing; what it says of the heap does not matter. That makes it a witness that can
// be asked when all else is in doubt.
#pragma once

#include "fuzz/oracle/oracle.h"

enum { BROKEN_WALKS = 32 };

// Breaks BROKEN_WALKS words of a heap, one after the other, as `seed` says: of its state, beside
// live blocks, anywhere. Each is put back. Nothing is done to a heap whose walk is not cheap.
// Returns false where a law is broken. O(BROKEN_WALKS heap).
bool broken_walks(oracle *oracle, uint64_t seed);

// The same of all words of the heap's state and beside live blocks, with many values each.
bool broken_walks_all(oracle *oracle);
