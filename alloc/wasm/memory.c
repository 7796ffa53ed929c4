// The functions that freestanding C may call: memcpy, memmove and memset, each one instruction of
// the bulk memory operations.
#include "alloc/strategies/strategy.h"

void *memcpy(void *restrict to, const void *restrict from, size_t bytes) {
    return __builtin_memcpy(to, from, bytes);
}

void *memmove(void *to, const void *from, size_t bytes) {
    return __builtin_memmove(to, from, bytes);
}

void *memset(void *to, int value, size_t bytes) {
    return __builtin_memset(to, value, bytes);
}
