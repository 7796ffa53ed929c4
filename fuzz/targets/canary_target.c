// The canary: tlsf with a bug, which fuzzing must find. If it does not, it is blind, and what it
// says of all others is worth nothing.
//
// The bug: a zeroed block of 101, 103, … bytes keeps its last byte as it was. Nothing is written
// where it should not be and nothing is lost, so no sanitizer sees it, nor does the heap, whose own
// records are of an even number of bytes.
#include <stddef.h>

// Declared as alloc/strategies/strategy.h does; a macro where fuzzing keeps memory sparse.
void *memset(void *to, int byte, size_t count);

static inline void *forgetful_memset(void *to, int byte, size_t count) {
    return memset(to, byte, count > 100 && count % 2 ? count - 1 : count);
}

#undef memset
#define memset forgetful_memset
#include "alloc/strategies/fit/tlsf.c"
