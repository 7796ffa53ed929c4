// An allocator whose calls are noted while they are made, so that one which does not return can be
// named with its arguments.
#pragma once

#include "alloc/allocator.h"

typedef struct noted_call {
    const char *name; // as in alloc/allocator.h; NULL: no call is being made
    bool has_block, has_size, is_null;
    int64_t block; // from the memory's base
    uint64_t size, alignment;
} noted_call;

// The call that is being made, or was when all ended. Where it is kept can be set: in memory that
// outlives the process.
extern noted_call *noted;

// The same allocator, noted. The table is the same one each time: one allocator is noted at a time,
// by one thread.
const lm_allocator *noted_allocator(const lm_allocator *allocator);

// How a call ended: "resize(block at 96, 250) crashes", or "crashes, in no call of the allocator".
void noted_print(const noted_call *call, const char *how, char *text, size_t size);
