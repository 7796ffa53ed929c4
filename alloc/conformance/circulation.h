// Blocks that one thread allocates and another frees are served to the first thread again: part of
// the law `threads`.
#pragma once

#include "alloc/allocator.h"

// Pages by which the memory may still grow after it has settled: for late slabs, of 128 KiB at
// most, and their tables.
enum { CIRCULATION_PAGES_LATE = 4 };

// Thread 0 allocates and thread 1 frees, for ROUNDS rounds. Returns the memory's pages after
// ROUNDS_BEFORE rounds, when it should have settled.
static inline uint32_t circulate(const lm_allocator *allocator, lm_memory *memory) {
    enum { BLOCKS_AT_ONCE = 16, BYTES = 4000, ROUNDS_BEFORE = 3, ROUNDS = 12 };
    uint32_t acting = memory->thread, settled = 0, served;
    void *blocks[BLOCKS_AT_ONCE];
    for (uint32_t round = 0; round < ROUNDS; round++) {
        if (round == ROUNDS_BEFORE) settled = lm_memory_pages(memory);
        memory->thread = 0;
        for (served = 0; served < BLOCKS_AT_ONCE; served++)
            if (!(blocks[served] = allocator->allocate(BYTES, memory))) break;
        memory->thread = 1;
        for (uint32_t i = 0; i < served; i++)
            allocator->free(blocks[i], 0, memory);
    }
    memory->thread = acting;
    return settled;
}
