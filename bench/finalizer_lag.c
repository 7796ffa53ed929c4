#include "bench/finalizer_lag.h"

#include "alloc/buffers/finalizer.h"

#include <string.h>

enum { LIVE = 1000 };

static uint32_t finalizer_lag_next_random(uint32_t *state) {
    *state = *state * 1664525 + 1013904223;
    return *state >> 8;
}

// Returns the size of a typed array: half have at most 64 bytes, each doubling is half as frequent,
// none has more than 64 KiB.
static uint32_t finalizer_lag_next_size(uint32_t *random) {
    uint32_t doublings = (uint32_t)__builtin_ctz(finalizer_lag_next_random(random) | 1u << 10);
    uint32_t most = 64u << doublings;
    return most / 2 + finalizer_lag_next_random(random) % (most / 2) + 1;
}

static bool finalizer_lag_create(lm_buffer_table *r, uint32_t *random, lm_token *token) {
    lm_handle handle;
    uint32_t size = finalizer_lag_next_size(random);
    return lm_buffer_create(r, 0, LM_HOME, size, 16, false, &handle) == LM_OK &&
           lm_finalizer_attach(r, 0, handle, 0, token) == LM_OK;
}

static bool finalizer_lag_run(lm_buffer_table *r, uint32_t lag, uint32_t steps) {
    lm_token live[LIVE];
    uint32_t random = 1, waiting = 0;
    for (uint32_t i = 0; i < LIVE; i++)
        if (!finalizer_lag_create(r, &random, &live[i])) return false;
    for (uint32_t step = 0; step < steps; step++) {
        lm_token *dead = &live[finalizer_lag_next_random(&random) % LIVE];
        if (lm_finalizer_enqueue(r, *dead) != LM_OK) return false;
        if (++waiting > lag) waiting -= lm_finalizers_drain(r, 1).freed;
        if (!finalizer_lag_create(r, &random, dead)) return false;
    }
    return true;
}

bool finalizer_lag_measure(const lm_allocator *allocator, uint32_t lag, uint32_t steps,
                           finalizer_lag *measured) {
    lm_memory memory;
    lm_buffer_table table;
    if (!lm_memory_create(&memory, &(lm_memory_options){.pages = 1, .pages_max = LM_PAGES_MAX}))
        return false;
    bool ran = allocator->start(&memory) &&
               lm_buffer_table_start(&table, &lm_counts_plain, allocator, &memory) &&
               lm_finalizers_start(&table) && finalizer_lag_run(&table, lag, steps);
    if (ran) {
        measured->pages = lm_memory_pages(&memory);
        measured->peak_live_bytes = lm_buffer_table_live_in(&table, LM_HOME).peak_bytes;
    }
    lm_memory_destroy(&memory);
    return ran;
}
