// The canary: tlsf with a bug, which fuzzing must find; if it does not, it cannot find bugs at all.
//
// The bug: a zeroed block of 101, 103, … bytes keeps its last byte. It writes nothing out of place
// and loses nothing, so neither sanitizers nor the heap's own checks detect it: the heap's records
// have an even number of bytes.
#include <stddef.h>

// As alloc/strategies/strategy.h declares it; a macro if fuzzing keeps memory sparse.
void *memset(void *to, int byte, size_t count);

static inline void *forgetful_memset(void *to, int byte, size_t count) {
    return memset(to, byte, count > 100 && count % 2 ? count - 1 : count);
}

#undef memset
#define memset forgetful_memset
#include "alloc/strategies/fit/tlsf.c"
