// Mutations of inputs that are a head and records of one size, whatever they mean: records are
// inserted, removed, repeated, moved, exchanged and changed, and two inputs are crossed, in whole
// records. Each input format says how to make and change a head and a record.
#pragma once

#include "cli/random.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct record_format {
    size_t head_bytes, record_bytes, records_max;
    size_t place; // where in a record the byte is that names what it is done to
    void (*random_head)(uint8_t *head, uint64_t *random);
    void (*random_record)(uint8_t *record, uint64_t *random);
    void (*tweak_record)(uint8_t *record, uint64_t *random);
} record_format;

// A random number below a bound that is not 0.
static inline uint32_t random_below(uint64_t *state, uint32_t bound) {
    return (uint32_t)((random_next(state) >> 32) * bound >> 32);
}

// Numbers in records: little-endian, of up to four bytes.
static inline uint32_t record_load(const uint8_t *bytes, unsigned count) {
    uint32_t value = 0;
    for (unsigned i = 0; i < count; i++)
        value |= (uint32_t)bytes[i] << 8 * i;
    return value;
}
static inline void record_store(uint8_t *bytes, unsigned count, uint32_t value) {
    for (unsigned i = 0; i < count; i++)
        bytes[i] = (uint8_t)(value >> 8 * i);
}

// Both return the bytes of the result, `max` at most; the same seed makes the same. What is shorter
// than a head is filled up with a random one; `max` must hold a head and a record.
size_t records_mutate(const record_format *format, uint8_t *bytes, size_t count, size_t max,
                      unsigned seed);
size_t records_cross(const record_format *format, const uint8_t *first, size_t first_count,
                     const uint8_t *second, size_t second_count, uint8_t *bytes, size_t max,
                     unsigned seed);
