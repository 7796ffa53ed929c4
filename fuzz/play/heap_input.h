// A fuzz input as a heap's operations, and back.
//
// An input is a head of 8 bytes, which says where the heap starts (the `h` operation), and records
// of 8 bytes, an operation each, so that mutations move whole operations. All bytes are an input:
// what is missing in the head reads as zero, a record cut short is dropped, blocks are named by
// their place among those that live, and what cannot be done is passed over.
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
    HEAP_INPUT_OPERATIONS_MAX = 1024, // that are decoded, `h` among them
    HEAP_INPUT_LANES = 4,
    HEAP_INPUT_HUGE_BYTES = 1 << 26,
};
// What the huge requests of an input ask for together; of what is over, only the remainder is.
#define HEAP_INPUT_HUGE_BYTES_MAX (UINT64_C(1) << 34)

// The operations of an input; returns how many, `max` at most. They are valid in a trace, which
// ends before its blocks do.
size_t heap_input_decode(const uint8_t *bytes, size_t count, trace_operation *operations,
                         size_t max);

// The input that decodes to these operations. Returns its bytes, or 0 where there is none: of other
// verbs, more than HEAP_INPUT_OPERATIONS_MAX operations, or more than `max` bytes.
size_t heap_input_encode(const trace_operation *operations, size_t count, uint8_t *bytes,
                         size_t max);

// Changes an input in place, as libFuzzer asks a custom mutator to: operations are inserted,
// removed, repeated, moved and changed, sizes mostly to those at some boundary. Returns the new
// count of bytes, `max` at most. The same seed makes the same of the same input.
size_t heap_input_mutate(uint8_t *bytes, size_t count, size_t max, unsigned seed);

// The same, and a third of what is inserted are wrong calls.
size_t heap_input_mutate_wrong(uint8_t *bytes, size_t count, size_t max, unsigned seed);

// A new input of operations of both, each in its order.
size_t heap_input_cross(const uint8_t *first, size_t first_count, const uint8_t *second,
                        size_t second_count, uint8_t *bytes, size_t max, unsigned seed);
