// The memories of a buffer table, by their numbers, each with its allocator.
#pragma once

#include "alloc/allocator.h"

#ifndef LM_MEMORIES_MAX // tests and the explorer use less
#define LM_MEMORIES_MAX 255
#endif

enum { LM_HOME = 0 };

// A memory and its allocator. An imported allocator need not be a strategy of ours, and needs only
// allocate, resize and free; its other functions may be NULL.
typedef struct lm_served {
    const lm_allocator *allocator;
    lm_memory *memory;
} lm_served;

typedef struct lm_memories {
    uint32_t count;
    bool threads;     // several threads may call at once
    uint32_t foreign; // calls of foreign code in progress
    uintptr_t caller; // with threads: the thread that has the allocators' lock; 0: none
#ifdef __wasm__
    lm_served at[LM_HOME + 1];
#else
    lm_served at[LM_MEMORIES_MAX];
#endif
} lm_memories;
