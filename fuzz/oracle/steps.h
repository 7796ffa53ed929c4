// Counts the steps of code that is compiled with -fsanitize-coverage=trace-pc: its basic blocks.
#pragma once

#include <stdbool.h>
#include <stdint.h>

// Limits of a call in constant time, about a quarter above what alloc/conformance/steps_test.c
// counts: buddy's 125 for allocate and free, 475 for a resize. gcc makes about twice as many
// blocks.
#ifdef __clang__
enum { STEPS_MAX = 160, STEPS_RESIZE_MAX = 600 };
#else
enum { STEPS_MAX = 320, STEPS_RESIZE_MAX = 1200 };
#endif

// The limit of a call, which resizes a block or not. If it has grown the memory to `pages` pages it
// may have made a table for them, and free blocks of every order. 0: it has not.
static inline uint32_t steps_limit(bool resizes, uint32_t pages) {
    return (resizes || pages ? STEPS_RESIZE_MAX : STEPS_MAX) + 4 * pages;
}

extern uint32_t steps_taken;
