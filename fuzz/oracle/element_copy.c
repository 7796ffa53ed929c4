#include "fuzz/oracle/element_copy.h"
#include "corpus/trace/buffer_model.h"

#include <math.h>
#include <string.h>

enum { I8, U8, C8, I16, U16, I32, U32, F32, F64, I64, U64, BYTES };

static double read_number(uint32_t kind, const void *at) {
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
    memcpy(&e, at, buffer_model_element(kind));
    switch (kind) {
    case I8:
        return e.i8;
    case I16:
        return e.i16;
    case U16:
        return e.u16;
    case I32:
        return e.i32;
    case U32:
        return e.u32;
    case F32:
        return (double)e.f32;
    case F64:
        return e.f64;
    default:
        return e.u8;
    }
}

static void write_number(uint32_t kind, void *at, double value) {
    uint64_t bits = 0;
    if (kind == F64) {
        if (isnan(value))
            bits = UINT64_C(0x7ff8) << 48;
        else
            memcpy(&bits, &value, sizeof value);
    } else if (kind == F32) {
        float narrow = (float)value;
        if (isnan(value))
            bits = UINT64_C(0x7fc0) << 16;
        else
            memcpy(&bits, &narrow, sizeof narrow);
    } else if (kind == C8) {
        bits = isnan(value) ? 0 : (uint64_t)nearbyint(fmin(fmax(value, 0), 255));
    } else if (isfinite(value)) {
        double rest = fmod(trunc(value), 0x1p32);
        bits = (uint64_t)(int64_t)rest; // modulo 2^32, a multiple of the other moduli
    }
    memcpy(at, &bits, buffer_model_element(kind));
}

void element_copy(uint32_t to_kind, void *to, uint32_t from_kind, const void *from, uint32_t length,
                  void *old) {
    size_t to_bytes = buffer_model_element(to_kind), from_bytes = buffer_model_element(from_kind);
    if (to_kind == from_kind || (to_kind >= I64 && from_kind >= I64)) { // BigInts: modulo 2^64
        memmove(to, from, length * to_bytes);
        return;
    }
    memcpy(old, from, length * from_bytes);
    for (size_t i = 0; i < length; i++)
        write_number(to_kind, (unsigned char *)to + i * to_bytes,
                     read_number(from_kind, (unsigned char *)old + i * from_bytes));
}

uint64_t element_bits(const unsigned char *at, uint32_t bytes, bool little_endian) {
    uint64_t bits = 0;
    for (uint32_t i = 0; i < bytes; i++)
        bits |= (uint64_t)at[i] << 8 * (little_endian ? i : bytes - 1 - i);
    return bits;
}
