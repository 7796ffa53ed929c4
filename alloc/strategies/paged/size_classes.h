// Size classes: 16, 32, 48, 64, and from there four to a doubling: 80, 96, 112, 128, 160, …
//
// A class is at most 15 bytes larger than the size up to 80 bytes, a quarter above.
// Source: Evans's jemalloc (2006).
#pragma once

#include <stdint.h>

static inline uint32_t most_significant_bit(uint32_t n) {
    return 31u ^ (uint32_t)__builtin_clz(n); // gcc makes one bsr of this, of 31 − … three steps
}

// The class of a size, 1 … 2^31. The two bits below the leading one are the quarter; sizes up to 64
// count as if they had the leading bit of 64.
static inline uint32_t class_of(uint32_t size) {
    uint32_t n = size - 1, msb = most_significant_bit(n | 64);
    return (n >> (msb - 2)) + ((msb - 6) << 2);
}

static inline uint32_t class_bytes(uint32_t class) {
    return class < 8 ? (class + 1) << 4 : (5 + (class & 3)) << ((class >> 2) + 3);
}
