// A player that makes the same calls natively and on wasm32, where a strategy must return the same
// offsets and leave the same bytes.
//
// Conditions: the heap starts at the same offset, the memory has the same number of pages at first,
// with all bytes from the heap's start on zero, the same bytes are written into blocks, and the
// same growths succeed. The lm_memory and the player are stored outside the heap. Freestanding.
#pragma once

#include "alloc/allocator.h"

enum { SAME_BYTES_BLOCKS = 400 };

typedef struct same_bytes_block {
    uint32_t offset, size, alignment;
    unsigned char mark; // the byte that fills it
} same_bytes_block;

typedef struct same_bytes {
    const lm_allocator *allocator;
    lm_memory *memory;
    uint64_t random;
    uint64_t answers; // a hash of all offsets and usable sizes returned so far
    uint32_t count;
    same_bytes_block live[SAME_BYTES_BLOCKS];
} same_bytes;

// Starts the allocator on the memory. Returns false if out of memory.
bool same_bytes_start(same_bytes *player, const lm_allocator *allocator, lm_memory *memory);

// Makes the next steps, which depend on the results before: allocations of all kinds with sizes of
// every magnitude, some that must fail, resizes, frees, resets, and growths by other code. Fills
// each block with its mark. Returns false if a block lost its content or was not zeroed; later
// results are then meaningless.
bool same_bytes_play(same_bytes *player, uint32_t steps);

// Returns a hash (FNV-1a on 64-bit words) of the memory from the heap's start to the memory's end.
uint64_t same_bytes_hash(const lm_memory *memory);
