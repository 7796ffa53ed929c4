#include "bench/finalizer_lag.h"

#include "alloc/buffers/finalizer.h"

#include <string.h>

enum { LIVE = 1000 };

static uint32_t next_random(uint32_t *state) {
    *state = *state * 1664525 + 1013904223;
    return *state >> 8;
}

// Typed arrays' sizes: half are of at most 64 bytes, each doubling from there is half as frequent,
// and none is above 64 KiB.
static uint32_t next_size(uint32_t *random) {
    uint32_t doublings = (uint32_t)__builtin_ctz(next_random(random) | 1u << 10);
    uint32_t most = 64u << doublings;
    return most / 2 + next_random(random) % (most / 2) + 1;
}

static bool create(lm_buffer_table *r, uint32_t *random, lm_token *token) {
    lm_handle handle;
    uint32_t size = next_size(random);
    return lm_buffer_create(r, 0, LM_HOME, size, 16, false, &handle) == LM_OK &&
           lm_finalizer_attach(r, 0, handle, 0, token) == LM_OK;
}

static bool play(lm_buffer_table *r, uint32_t lag, uint32_t steps) {
    lm_token live[LIVE];
    uint32_t random = 1, waiting = 0;
    for (uint32_t i = 0; i < LIVE; i++)
        if (!create(r, &random, &live[i])) return false;
    for (uint32_t step = 0; step < steps; step++) {
        lm_token *dies = &live[next_random(&random) % LIVE];
        if (lm_finalizer_enqueue(r, *dies) != LM_OK) return false;
        if (++waiting > lag) waiting -= lm_finalizers_drain(r, 1).freed;
        if (!create(r, &random, dies)) return false;
    }
    return true;
}

bool finalizer_lag_play(const lm_allocator *allocator, uint32_t lag, uint32_t steps,
                        finalizer_lag *measured) {
    lm_memory memory;
    lm_buffer_table table;
    if (!lm_memory_create(&memory, &(lm_memory_options){.pages = 1, .pages_max = LM_PAGES_MAX}))
        return false;
    bool played = allocator->start(&memory) &&
                  lm_buffer_table_start(&table, &lm_counts_plain, allocator, &memory) &&
                  lm_finalizers_start(&table) && play(&table, lag, steps);
    if (played) {
        measured->pages = lm_memory_pages(&memory);
        measured->peak_live_bytes = lm_buffer_table_live_in(&table, LM_HOME).peak_bytes;
    }
    lm_memory_destroy(&memory);
    return played;
}
