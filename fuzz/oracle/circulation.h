// What one thread allocates and another one frees is served to the first again: held by the oracle,
// and by the C programs that show what it found.
#pragma once

#include "alloc/allocator.h"

// By how much a memory may still grow when it has settled: slabs that are bought late, of 128 KiB
// at most, and their tables.
enum { CIRCULATION_PAGES_LATE = 4 };

// Thread 0 allocates and thread 1 frees, round after round; they stand for all. Returns the pages
// that the memory had when it should have settled.
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
