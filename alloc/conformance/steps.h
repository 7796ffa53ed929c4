// The maximum number of steps of a call, for each test that counts them:
// alloc/conformance/steps_test.c and pages_test.c, the fuzzing oracle and its reproducers.
//
// A step is a basic block of the strategy's code, which is compiled at check level 0 with
// -fsanitize-coverage=trace-pc. The steps of memcpy, memset and the memory's growth are not
// counted. gcc makes about twice as many blocks as clang: buddy's longest resize takes 856 and 475.
//
// With LM_CONSTANT_TIME every call is bounded. Other strategies may occasionally walk a map or move
// a table, so their single calls have only a loose bound; but with LM_BOUNDED_SEARCH an allocation
// must not search the free blocks one by one, which checkerboards check (checkerboard.h).
#pragma once

#include "alloc/allocator.h"

#include <string.h>

#ifdef __clang__
enum { LM_STEPS_SCALE = 1 };
#else
enum { LM_STEPS_SCALE = 2 };
#endif

enum {
    // With LM_CONSTANT_TIME: a call; a call that resizes, because it may split, merge and move, or
    // that grows the memory, because it may make free blocks of every order; and, if the memory
    // has grown, each of its pages, because it may be entered in a table.
    LM_STEPS_MAX = 190 * LM_STEPS_SCALE, // buddy, 2^18 blocks in 2^15 pages: 351 by gcc
    LM_STEPS_RESIZE_MAX = 600 * LM_STEPS_SCALE,
    LM_STEPS_A_NEW_PAGE_MAX = 4,

    // Without: a call, and each page of the memory, because a map of the pages may be walked.
    LM_STEPS_OTHER_MAX = 4000,
    LM_STEPS_A_PAGE_MAX = 2048,
    // With LM_BOUNDED_SEARCH: an allocation on a checkerboard that does not grow the memory:
    // paged_2k's takes 279.
    LM_STEPS_BOARD_MAX = 400 * LM_STEPS_SCALE,
};

// Whether each free may cost a later search a useless step in each of the memory's pages.
static inline bool lm_steps_by_pages(const lm_allocator *allocator) {
    return strcmp(allocator->name, "bitmap") == 0;
}

// Returns the maximum number of steps of a call. `before` and `now` are the memory's pages before
// and after it.
static inline uint32_t lm_steps_max(const lm_allocator *allocator, bool resizes, uint32_t before,
                                    uint32_t now) {
    if (!(allocator->capabilities & LM_CONSTANT_TIME))
        return LM_STEPS_OTHER_MAX + LM_STEPS_A_PAGE_MAX * now;
    if (now == before) return resizes ? LM_STEPS_RESIZE_MAX : LM_STEPS_MAX;
    return LM_STEPS_RESIZE_MAX + LM_STEPS_A_NEW_PAGE_MAX * now;
}

// The same for an allocation on a checkerboard.
static inline uint32_t lm_steps_board_max(const lm_allocator *allocator, uint32_t before,
                                          uint32_t now) {
    bool bounded = allocator->capabilities & LM_BOUNDED_SEARCH;
    bool constant = allocator->capabilities & LM_CONSTANT_TIME;
    bool loose = constant || !bounded || now != before || lm_steps_by_pages(allocator);
    return loose ? lm_steps_max(allocator, false, before, now) : LM_STEPS_BOARD_MAX;
}
