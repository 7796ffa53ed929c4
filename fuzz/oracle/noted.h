// An allocator that records each call before making it, so that a call that does not return can be
// reported with its arguments.
#pragma once

#include "alloc/allocator.h"

typedef struct noted_call {
    const char *name; // as in alloc/allocator.h; NULL outside of calls
    bool has_block, has_size, is_null;
    int64_t block; // offset from the memory's base
    uint64_t size, alignment;
} noted_call;

// The current call. Can be set to point to memory that outlives the process.
extern noted_call *noted;

// Returns the allocator with its calls recorded. There is one static table, so one allocator at a
// time, on one thread.
const lm_allocator *noted_allocator(const lm_allocator *allocator);

// Prints how a call ended: "resize(block at 96, 250) crashes", or "crashes, in no call of the
// allocator".
void noted_print(const noted_call *call, const char *how, char *text, size_t size);
