#include "bench/buffer_loops.h"

#include "alloc/buffers/buffer.h"
#include "alloc/registry.h"

#include <stdlib.h>

enum { BUFFERS_MAX = 1024, SIZE = 64, ROUND = 64, OWNER = 1 };

struct buffer_set {
    lm_memory memory;
    const lm_allocator *allocator;
    lm_buffer_table table;
    uint64_t last; // buffer's index: a mask, because their number is a power of two
    lm_handle handles[BUFFERS_MAX];
    uint64_t counters[BUFFERS_MAX];
};

// Forces the compiler to compute a value.
static inline void loop_use(uint64_t value) {
    __asm__ volatile("" : : "r"(value) : "memory");
}

buffer_set *buffer_set_new(const char *strategy, bool atomic, uint32_t buffers) {
    buffer_set *set = calloc(1, sizeof *set);
    const lm_allocator *a = lm_strategy_named(strategy, 0);
    if (!set || !a || buffers & (buffers - 1) || buffers > BUFFERS_MAX) abort();
    set->allocator = a;
    set->last = buffers - 1;
    const lm_counts *counts = atomic ? &lm_counts_atomic : &lm_counts_plain;
    if (!lm_memory_create(&set->memory, &(lm_memory_options){.pages = 16, .pages_max = 1024}) ||
        !a->start(&set->memory) || !lm_buffer_table_start(&set->table, counts, a, &set->memory))
        abort();
    for (uint32_t i = 0; i < buffers; i++)
        if (lm_buffer_create(&set->table, OWNER, LM_HOME, SIZE, LM_BLOCK_ALIGNMENT, false,
                             &set->handles[i]))
            abort();
    return set;
}

void buffer_set_free(buffer_set *set) {
    lm_memory_destroy(&set->memory);
    free(set);
}

void loop_retain_release(buffer_set *set, uint64_t count) {
    for (uint64_t n = 0; n < count; n++) {
        uint64_t i = n & set->last;
        loop_use(lm_buffer_retain(&set->table, OWNER, set->handles[i]));
        loop_use(lm_buffer_release(&set->table, OWNER, set->handles[i]));
    }
}

void loop_bare_counter(buffer_set *set, uint64_t count) {
    for (uint64_t n = 0; n < count; n++) {
        uint64_t i = n & set->last;
        volatile uint64_t *counter = &set->counters[i];
        ++*counter;
        --*counter;
    }
}

// With the weakest correct memory orders: relaxed up, release down.
void loop_bare_atomic(buffer_set *set, uint64_t count) {
    for (uint64_t n = 0; n < count; n++) {
        uint64_t i = n & set->last;
        loop_use(__atomic_add_fetch(&set->counters[i], 1, __ATOMIC_RELAXED));
        loop_use(__atomic_sub_fetch(&set->counters[i], 1, __ATOMIC_RELEASE));
    }
}

static inline lm_handle loop_create(buffer_set *set) {
    lm_handle handle = 0;
    loop_use(
        lm_buffer_create(&set->table, OWNER, LM_HOME, SIZE, LM_BLOCK_ALIGNMENT, false, &handle));
    return handle;
}

void loop_create_release(buffer_set *set, uint64_t count) {
    while (count--)
        loop_use(lm_buffer_release(&set->table, OWNER, loop_create(set)));
}

void loop_create_release_rounds(buffer_set *set, uint64_t count) {
    lm_handle made[ROUND];
    for (uint64_t n = 0; n < count; n += ROUND) {
        for (uint32_t i = 0; i < ROUND; i++)
            made[i] = loop_create(set);
        for (uint32_t i = 0; i < ROUND; i++)
            loop_use(lm_buffer_release(&set->table, OWNER, made[i]));
    }
}

// Frees without a size, as buffers do.
void loop_allocate_free(buffer_set *set, uint64_t count) {
    while (count--) {
        void *block = set->allocator->allocate(SIZE, &set->memory);
        loop_use((uintptr_t)block);
        set->allocator->free(block, 0, &set->memory);
    }
}

void loop_allocate_free_rounds(buffer_set *set, uint64_t count) {
    void *made[ROUND];
    for (uint64_t n = 0; n < count; n += ROUND) {
        for (uint32_t i = 0; i < ROUND; i++)
            made[i] = set->allocator->allocate(SIZE, &set->memory);
        for (uint32_t i = 0; i < ROUND; i++)
            set->allocator->free(made[i], 0, &set->memory);
    }
}
