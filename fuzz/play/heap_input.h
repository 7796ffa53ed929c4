// Decodes a fuzz input to heap operations, and encodes them.
//
// An input is a head of 8 bytes, which says where the heap starts (the `h` operation), and records
// of 8 bytes, an operation each, so that mutations move whole operations. Any bytes are an input:
// missing bytes of the head read as zero, a record cut short is dropped, blocks are named by their
// index among the live ones, and impossible operations are skipped.
//
//     head    START (u32)  PAGES (u16)  MAX (u16)          PAGES, MAX: 0xffff and 0 mean 65,536
//     record  verb  log2 of the alignment  block (u16)  size, pages, count or lane (u32)
//     wrong   128…  which call  block (u16), by number  OFFSET (u32)
//
// All numbers are little-endian.
#pragma once

#include "corpus/trace/trace.h"

enum {
    HEAP_INPUT_HEAD_BYTES = 8,
    HEAP_INPUT_RECORD_BYTES = 8,
    HEAP_INPUT_OPERATIONS_MAX = 1024, // `h` included
    HEAP_INPUT_LANES = 4,
    HEAP_INPUT_HUGE_BYTES = 1 << 26,
};
// The limit on the sum of an input's huge requests; sizes beyond it are reduced to the remainder.
#define HEAP_INPUT_HUGE_BYTES_MAX (UINT64_C(1) << 34)

// Decodes an input. Returns the number of operations, at most `max`. They are valid in a trace,
// which may end with live blocks.
size_t heap_input_decode(const uint8_t *bytes, size_t count, trace_operation *operations,
                         size_t max);

// Encodes operations as the input that decodes to them. Returns its bytes, or 0 if there is none:
// other verbs, more than HEAP_INPUT_OPERATIONS_MAX operations, or more than `max` bytes.
size_t heap_input_encode(const trace_operation *operations, size_t count, uint8_t *bytes,
                         size_t max);

// Mutates an input in place, as a custom mutator of libFuzzer: inserts, removes, repeats, moves and
// changes operations, sizes mostly to boundary values. Returns the new number of bytes, at most
// `max`. Deterministic by seed.
size_t heap_input_mutate(uint8_t *bytes, size_t count, size_t max, unsigned seed);

// The same, with wrong calls as a third of the inserted operations.
size_t heap_input_mutate_wrong(uint8_t *bytes, size_t count, size_t max, unsigned seed);

// Makes a new input of operations of both, each in its order.
size_t heap_input_cross(const uint8_t *first, size_t first_count, const uint8_t *second,
                        size_t second_count, uint8_t *bytes, size_t max, unsigned seed);
