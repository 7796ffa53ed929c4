// What buffers are filled with: by the player, and by the C programs that show what it found.
#pragma once

#include <stddef.h>
#include <stdint.h>

// Bytes that are each buffer's own, eight by eight; and among them numbers that conversions treat
// apart, which chance alone would hardly make.
static inline uint64_t buffer_fill_word(uint64_t seed, size_t at) {
    static const uint64_t apart[] = {
        0x7FF4000000000123, 0xFFF8000000000001, // NaNs that carry something, as f64
        0x7FA000017FC00123, 0x7F800000FF800000, // and as f32; infinities as f32
        0x7FF0000000000000, 0x8000000000000000, // infinity, -0
        0x406FF00000000000, 0x3FE0000000000000, // 255.5, 0.5
        0xBFE0000000000000, 0x3FF8000000000000, // -0.5, 1.5
        0x41E0000000000000, 0x41F0000000080000, // 2^31, 2^32 + 0.5
        0x43E0000000000000, 0x7E37E43C8800759C, // 2^63, 1e300
        0x3690000000000000, 0x437F80003F000000, // 2^-150; 255.5 and 0.5 as f32
        0x43F0000000001801, 0xC410000000000003, // of 2^64 and -2^66 low bits are left,
        0x4520000000000001, 0x4530000000000001, // and of 2^83 the last; of 2^84 none
    };
    uint64_t turn = seed + at / 8;
    if (turn % 4 == 0) return apart[(turn / 4 + seed) % (sizeof apart / sizeof *apart)];
    return (seed + 1) * 6364136223846793005U + at * 0x9E3779B97F4A7C15U;
}
