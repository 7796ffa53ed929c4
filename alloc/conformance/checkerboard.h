// Checkerboards: heaps of many equal blocks of which every second one is free, so that a search
// that tries free blocks one by one takes a step for each. Part of the law of steps
// (alloc/conformance/steps.h), for steps_test, the fuzzing oracle and its reproducers.
#pragma once

#include "alloc/conformance/steps.h"

enum {
    LM_BOARDS = 6, // with blocks of 32, 128, … 32,768 bytes
    LM_BOARD_BLOCKS = 2048,
    LM_BOARD_LARGER = 16, // requests slightly larger than the free blocks
};

// An allocation that took more steps than the maximum, `most`; 0 if there was none.
typedef struct lm_board_finding {
    size_t size;
    uint32_t steps, most;
} lm_board_finding;

static inline size_t lm_board_bytes(uint32_t board) {
    return (size_t)32 << 2 * board;
}

// Allocates and stores the first finding. *steps counts the strategy's steps.
static inline void *lm_board_allocate(const lm_allocator *allocator, lm_memory *memory, size_t size,
                                      const uint32_t *steps, lm_board_finding *found) {
    uint32_t pages = lm_memory_pages(memory), before = *steps;
    void *block = allocator->allocate(size, memory);
    uint32_t taken = *steps - before,
             most = lm_steps_board_max(allocator, pages, lm_memory_pages(memory));
    if (taken > most && !found->most) *found = (lm_board_finding){size, taken, most};
    return block;
}

// Runs a board in a heap without live blocks: allocates many equal blocks and frees every second
// one; then allocates some up to a 16th larger, which the free ones are too small for although they
// may be in the same free list; then the free ones again. Frees all blocks at the end.
static inline lm_board_finding lm_checkerboard(const lm_allocator *allocator, lm_memory *memory,
                                               uint32_t board, const uint32_t *steps) {
    void *blocks[LM_BOARD_BLOCKS], *larger[LM_BOARD_LARGER];
    size_t size = lm_board_bytes(board);
    lm_board_finding found = {0};
    for (uint32_t i = 0; i < LM_BOARD_BLOCKS; i++)
        blocks[i] = lm_board_allocate(allocator, memory, size, steps, &found);
    for (uint32_t i = 0; i < LM_BOARD_BLOCKS; i += 2)
        allocator->free(blocks[i], 0, memory);
    for (uint32_t i = 0; i < LM_BOARD_LARGER; i++)
        larger[i] =
            lm_board_allocate(allocator, memory, size + 1 + i + size / 16 * i / 15, steps, &found);
    for (uint32_t i = 0; i < LM_BOARD_LARGER; i++)
        allocator->free(larger[i], 0, memory);
    for (uint32_t i = 0; i < LM_BOARD_BLOCKS; i += 2)
        blocks[i] = lm_board_allocate(allocator, memory, size, steps, &found);
    for (uint32_t i = 0; i < LM_BOARD_BLOCKS; i++)
        allocator->free(blocks[i], 0, memory);
    return found;
}
