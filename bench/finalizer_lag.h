// Measures the cost of late finalizers: dead buffers that wait to be drained.
#pragma once

#include "alloc/allocator.h"

typedef struct finalizer_lag {
    uint32_t pages;           // the memory's size at the end, which is its maximum
    uint64_t peak_live_bytes; // the buffers' sizes as asked for, with the dead that still wait
} finalizer_lag;

// Runs `steps` steps on a buffer table of one memory, without a budget. Each step enqueues the
// token of one of 1,000 live buffers, drains the oldest token if more than `lag` wait, and creates
// another buffer. The steps are the same for every allocator and lag. Returns false if out of
// memory. O(steps + lag).
bool finalizer_lag_measure(const lm_allocator *allocator, uint32_t lag, uint32_t steps,
                           finalizer_lag *measured);
