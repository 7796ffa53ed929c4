// What freestanding C may ask of its surroundings: memcpy and memset. Byte by byte; the compiler is
// told not to make calls of these loops to themselves.
#include "alloc/strategies/strategy.h"

void *memcpy(void *restrict to, const void *restrict from, size_t bytes) {
    unsigned char *t = to;
    const unsigned char *f = from;
    for (size_t i = 0; i < bytes; i++)
        t[i] = f[i];
    return to;
}

void *memset(void *to, int value, size_t bytes) {
    unsigned char *t = to;
    for (size_t i = 0; i < bytes; i++)
        t[i] = (unsigned char)value;
    return to;
}
