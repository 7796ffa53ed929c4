// A player that does the same to a heap wherever it is compiled: natively and on wasm32 a strategy
// must give the same answers and leave the same bytes.
//
// That is promised under these conditions: the heap starts at the same offset, the memory has as
// many pages at first and all its bytes from there on are zero, whoever writes into blocks writes
// the same, and the same growths are granted. The lm_memory and the player lie outside the heap.
// Freestanding.
#pragma once

#include "alloc/allocator.h"

enum { SAME_BYTES_BLOCKS = 400 };

typedef struct same_bytes_block {
    uint32_t offset, size, alignment;
    unsigned char mark; // that fills it
} same_bytes_block;

typedef struct same_bytes {
    const lm_allocator *allocator;
    lm_memory *memory;
    uint64_t random;
    uint64_t answers; // the hash of all offsets and usable sizes that were returned
    uint32_t count;
    same_bytes_block live[SAME_BYTES_BLOCKS];
} same_bytes;

// Starts the allocator on the memory. False: out of memory.
bool same_bytes_start(same_bytes *player, const lm_allocator *allocator, lm_memory *memory);

// The next steps, which depend on the answers before: allocations of all kinds with sizes of every
// magnitude, some that none can serve, resizes, frees, resets, and somebody else's growths. Each
// block is filled with its mark. False: a block lost its content, or one to be zero was not; what
// follows then says nothing.
bool same_bytes_play(same_bytes *player, uint32_t steps);

// The hash (FNV-1a on words of 64 bits) of the memory from the heap's start to its end.
uint64_t same_bytes_hash(const lm_memory *memory);
