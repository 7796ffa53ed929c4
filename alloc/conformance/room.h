// The memory that a request needs to succeed, and a heap to start: the law `served`
// (alloc/conformance/laws.def), as the conformance suite, the fuzzing oracle and its reproducers
// check it.
#pragma once

#include "alloc/allocator.h"

// Whether a heap can start: the memory can have 4 pages after heap_start.
static inline bool lm_room_to_start(const lm_memory *memory) {
    uint64_t end = (uint64_t)memory->pages_max * LM_PAGE_BYTES;
    return memory->heap_start + 4 * (uint64_t)LM_PAGE_BYTES <= end;
}

// Whether the strategy rounds sizes up to powers of two and `block` is such a size.
static inline bool lm_room_rounds(const lm_allocator *allocator, uint64_t block) {
    return allocator->block_bytes_max((size_t)block / 2 + 1, LM_BLOCK_ALIGNMENT) == block;
}

// The alignment that a block of `block` bytes may need: `alignment`, or its own size if that was
// rounded up to a power of two.
static inline uint64_t lm_room_step(const lm_allocator *allocator, uint64_t block,
                                    uint64_t alignment) {
    return block > alignment && lm_room_rounds(allocator, block) ? block : alignment;
}

// Returns the number of bytes by which a memory of `memory_bytes` must be able to grow for a block
// of `block` bytes (block_bytes_max) at a multiple of `step`: the sum of both, a 32nd of the
// resulting memory, for a table with an entry for each page, and 3 pages, for rounding up.
// Returns UINT64_MAX if no number is enough, because a table that threads read in parts splits the
// memory.
static inline uint64_t lm_room_due(const lm_allocator *allocator, uint64_t memory_bytes,
                                   uint64_t block, uint64_t step) {
    bool shares = allocator->capabilities & LM_SHARES_THREADS;
    if (shares && block > UINT32_C(1) << 29) return UINT64_MAX;
    uint64_t added = block + step;
    return added + (memory_bytes + added) / 32 + 3 * LM_PAGE_BYTES;
}
