// A fuzz input as a world and a buffer trace in it, and back.
//
// An input is a head of 40 bytes, the world and where its heaps start, and records of 16 bytes, an
// operation each, so that mutations move whole operations. All bytes are an input: what is missing
// in the head reads as zero, a record cut short is dropped, what lives is named by its place among
// its like, and what cannot be done is passed over.
//
//     head    memories − 1 | atomic << 2 | moving << 3 | budget << 4   servers (4)
//             skipped   0 (2)
//             by memory: START (u32)  PAGES (u16)  SPAN (u16)          (4 times)
//     record  verb  place  other place  kind, log2 of the alignment or memory  x y z (u32)
//
// A heap has SPAN pages from the one that it starts in, of which PAGES are there. Where all is 0, a
// trace does not say where it starts. All numbers are little-endian.
#pragma once

#include "fuzz/play/buffers_world.h"

enum {
    BUFFERS_INPUT_HEAD_BYTES = 40,
    BUFFERS_INPUT_RECORD_BYTES = 16,
    BUFFERS_INPUT_OPERATIONS_MAX = 1024, // that are decoded, `m` and `h` of the head among them
};

// The world and the operations of an input; returns how many, `max` at most. They are valid in a
// trace, which ends before what it began does.
size_t buffers_input_decode(const uint8_t *bytes, size_t count, buffers_world_choice *choice,
                            trace_operation *operations, size_t max);

// The input that decodes to these. Returns its bytes, or 0 where there is none: of other verbs or
// wider heaps, of more than BUFFERS_INPUT_OPERATIONS_MAX operations, or of more than `max` bytes.
size_t buffers_input_encode(const buffers_world_choice *choice, const trace_operation *operations,
                            size_t count, uint8_t *bytes, size_t max);

// As libFuzzer asks a custom mutator to, and a crossover: by whole operations. Return the new count
// of bytes, `max` at most. The same seed makes the same of the same input.
size_t buffers_input_mutate(uint8_t *bytes, size_t count, size_t max, unsigned seed);
size_t buffers_input_cross(const uint8_t *first, size_t first_count, const uint8_t *second,
                           size_t second_count, uint8_t *bytes, size_t max, unsigned seed);
