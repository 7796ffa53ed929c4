// What freestanding C may ask of its surroundings: memcpy and memset, each one instruction of the
// bulk memory operations.
#include "alloc/strategies/strategy.h"

void *memcpy(void *restrict to, const void *restrict from, size_t bytes) {
    return __builtin_memcpy(to, from, bytes);
}

void *memset(void *to, int value, size_t bytes) {
    return __builtin_memset(to, value, bytes);
}
