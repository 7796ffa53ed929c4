// How many steps a call may take, for each test that counts them: alloc/conformance/steps_test.c
// and pages_test.c, the fuzzing oracle and its reproducers.
//
// A step is a basic block of the strategy's code, which is compiled at check level 0 with
// -fsanitize-coverage=trace-pc. What memcpy, memset and the memory's growth do is not counted. gcc
// makes about twice as many blocks as clang: buddy's longest resize has 856 and 475.
//
// LM_CONSTANT_TIME bounds every call. The other strategies may walk a map or move a table now and
// then, so a single call of theirs has a loose bound only; but an allocation that the memory's free
// blocks can serve searches none of them one by one, which checkerboards show (checkerboard.h).
#pragma once

#include "alloc/allocator.h"

#include <string.h>

#ifdef __clang__
enum { LM_STEPS_SCALE = 1 };
#else
enum { LM_STEPS_SCALE = 2 };
#endif

enum {
    // In constant time: a call; one that resizes, since it may split, merge and move, or grows the
    // memory, since it may make free blocks of every order; and for each page of a memory that has
    // grown, since it may be entered in a table.
    LM_STEPS_MAX = 160 * LM_STEPS_SCALE,
    LM_STEPS_RESIZE_MAX = 600 * LM_STEPS_SCALE,
    LM_STEPS_A_NEW_PAGE_MAX = 4,

    // Of the others: a call, and for each page of the memory, of which a map may be walked.
    LM_STEPS_OTHER_MAX = 4000,
    LM_STEPS_A_PAGE_MAX = 2048,
    // An allocation on a checkerboard that does not grow the memory: paged_2k's takes 279.
    LM_STEPS_BOARD_MAX = 400 * LM_STEPS_SCALE,
};

// Whether each free may mislead a later search in each of the memory's pages.
static inline bool lm_steps_by_pages(const lm_allocator *allocator) {
    return strcmp(allocator->name, "bitmap") == 0;
}

// The most steps of a call, which resizes a block or not, and found so many pages and left so many.
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
    bool constant = allocator->capabilities & LM_CONSTANT_TIME;
    bool loose = constant || now != before || lm_steps_by_pages(allocator);
    return loose ? lm_steps_max(allocator, false, before, now) : LM_STEPS_BOARD_MAX;
}
