// For tests: the result of copying between typed arrays (TypedArray.prototype.set). An independent
// model of the conversions in the language's own arithmetic, to check alloc/buffers/view.c.
#pragma once

#include "alloc/buffers/view.h"

#include <math.h>
#include <string.h>

// The size of an element; not lm_kind_bytes, which is under test.
static inline uint32_t element_bytes(uint32_t kind) {
    static const uint8_t bytes[LM_KINDS] = {1, 1, 1, 2, 2, 4, 4, 4, 8, 8, 8, 1};
    return bytes[kind];
}

static inline double element_number(uint32_t kind, const void *at) {
    union {
        int8_t i8;
        uint8_t u8;
        int16_t i16;
        uint16_t u16;
        int32_t i32;
        uint32_t u32;
        float f32;
        double f64;
    } e;
    memcpy(&e, at, element_bytes(kind));
    switch (kind) {
    case LM_I8:
        return e.i8;
    case LM_I16:
        return e.i16;
    case LM_U16:
        return e.u16;
    case LM_I32:
        return e.i32;
    case LM_U32:
        return e.u32;
    case LM_F32:
        return (double)e.f32;
    case LM_F64:
        return e.f64;
    default:
        return e.u8;
    }
}

static inline void element_store(uint32_t kind, void *at, double value) {
    uint64_t bits = 0;
    if (kind == LM_F64) {
        if (isnan(value))
            bits = UINT64_C(0x7ff8) << 48;
        else
            memcpy(&bits, &value, sizeof value);
    } else if (kind == LM_F32) {
        float narrow = (float)value;
        if (isnan(value))
            bits = UINT64_C(0x7fc0) << 16;
        else
            memcpy(&bits, &narrow, sizeof narrow);
    } else if (kind == LM_C8) {
        bits = isnan(value) ? 0 : (uint64_t)nearbyint(fmin(fmax(value, 0), 255));
    } else if (isfinite(value)) {
        double rest = fmod(trunc(value), 0x1p32);
        bits = (uint64_t)(int64_t)rest; // modulo 2^32, a multiple of the other moduli
    }
    memcpy(at, &bits, element_bytes(kind));
}

// Copies `length` elements as if all were read before one is written. The kinds are both of
// BigInts, both of numbers, or both LM_BYTES. NaNs become the canonical one, except in a copy
// within one kind, which keeps all bits. `old` has room for the source's bytes.
static inline void element_copy(uint32_t to_kind, void *to, uint32_t from_kind, const void *from,
                                uint32_t length, void *old) {
    size_t to_bytes = element_bytes(to_kind), from_bytes = element_bytes(from_kind);
    if (to_kind == from_kind || (to_kind >= LM_I64 && from_kind >= LM_I64)) {
        memmove(to, from, length * to_bytes); // BigInts: modulo 2^64
        return;
    }
    memcpy(old, from, length * from_bytes);
    for (size_t i = 0; i < length; i++)
        element_store(to_kind, (unsigned char *)to + i * to_bytes,
                      element_number(from_kind, (unsigned char *)old + i * from_bytes));
}

// The bits of an element of 1 … 8 bytes, in native byte order.
static inline uint64_t element_bits(const unsigned char *at, uint32_t bytes, bool little_endian) {
    uint64_t bits = 0;
    for (uint32_t i = 0; i < bytes; i++)
        bits |= (uint64_t)at[i] << 8 * (little_endian ? i : bytes - 1 - i);
    return bits;
}
