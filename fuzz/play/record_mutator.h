// Mutates inputs that are a head and records of one size: inserts, removes, repeats, moves,
// exchanges and changes whole records, and crosses two inputs. The input format makes and changes
// heads and records.
#pragma once

#include "cli/random.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct record_format {
    size_t head_bytes, record_bytes, records_max;
    size_t place; // index of the byte in a record that names its object
    void (*random_head)(uint8_t *head, uint64_t *random);
    void (*random_record)(uint8_t *record, uint64_t *random);
    void (*tweak_record)(uint8_t *record, uint64_t *random);
} record_format;

// Returns a random number below a bound that is not 0.
static inline uint32_t random_below(uint64_t *state, uint32_t bound) {
    return (uint32_t)((random_next(state) >> 32) * bound >> 32);
}

// Numbers of up to four bytes in records, little-endian.
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

// Return the number of bytes, at most `max`; deterministic by seed. An input shorter than a head
// gets a random one; `max` must have room for a head and a record.
size_t records_mutate(const record_format *format, uint8_t *bytes, size_t count, size_t max,
                      unsigned seed);
size_t records_cross(const record_format *format, const uint8_t *first, size_t first_count,
                     const uint8_t *second, size_t second_count, uint8_t *bytes, size_t max,
                     unsigned seed);
