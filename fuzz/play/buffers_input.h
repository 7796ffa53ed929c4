// Decodes a fuzz input to memories and a buffer trace, and encodes them.
//
// An input is a head of 40 bytes, which says the memories and where their heaps start, and records
// of 16 bytes, an operation each, so that mutations move whole operations. Any bytes are an input:
// missing bytes of the head read as zero, a record cut short is dropped, live objects are named by
// their index among those of their kind, and impossible operations are skipped.
//
//     head    memories − 1 | atomic << 2 | moving << 3 | budget << 4   servers (4)
//             skipped   0 (2)
//             by memory: START (u32)  PAGES (u16)  SPAN (u16)          (4 times)
//     record  verb  place  other place  kind, log2 of the alignment or memory  x y z (u32)
//
// A heap has SPAN pages from the one that it starts in, PAGES of which are there at the start. If
// all three are 0, the trace has no `h` for it. All numbers are little-endian.
#pragma once

#include "fuzz/play/buffers_world.h"

enum {
    BUFFERS_INPUT_HEAD_BYTES = 40,
    BUFFERS_INPUT_RECORD_BYTES = 16,
    BUFFERS_INPUT_OPERATIONS_MAX = 1024, // `m` and `h` of the head included
};

// Decodes an input. Returns the number of operations, at most `max`. They are valid in a trace,
// which may end with live objects.
size_t buffers_input_decode(const uint8_t *bytes, size_t count, buffers_world_choice *choice,
                            trace_operation *operations, size_t max);

// Encodes as the input that decodes to these. Returns its bytes, or 0 if there is none: other
// verbs, wider heaps, more than BUFFERS_INPUT_OPERATIONS_MAX operations, or more than `max` bytes.
size_t buffers_input_encode(const buffers_world_choice *choice, const trace_operation *operations,
                            size_t count, uint8_t *bytes, size_t max);

// Mutates an input in place, and crosses two inputs, by whole operations. Return the new number of
// bytes, at most `max`. Deterministic by seed.
size_t buffers_input_mutate(uint8_t *bytes, size_t count, size_t max, unsigned seed);
size_t buffers_input_cross(const uint8_t *first, size_t first_count, const uint8_t *second,
                           size_t second_count, uint8_t *bytes, size_t max, unsigned seed);
