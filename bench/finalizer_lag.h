// What late finalizers cost: a program whose dead buffers wait to be drained.
#pragma once

#include "alloc/allocator.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct finalizer_lag {
    uint32_t pages;           // of the memory, at the end; it never shrinks
    uint64_t peak_live_bytes; // of the buffers, as asked, the dead that wait included
} finalizer_lag;

// Plays `steps` steps on a buffer table of one memory, with no budget: in each, one of 1,000 live
// buffers dies and its token is enqueued, and another is created; when more than `lag` wait, the
// oldest is drained. The same steps for each allocator and lag. False: out of memory. O(steps +
// lag).
bool finalizer_lag_play(const lm_allocator *allocator, uint32_t lag, uint32_t steps,
                        finalizer_lag *measured);

#ifdef __cplusplus
}
#endif
