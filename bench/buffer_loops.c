#include "bench/buffer_loops.h"

#include "alloc/buffers/buffer.h"
#include "alloc/registry.h"

#include <stdlib.h>

enum { BUFFERS_MAX = 1024, SIZE = 64, ROUND = 64, OWNER = 1 };

struct buffer_world {
    lm_memory memory;
    const lm_allocator *allocator;
    lm_buffer_table table;
    uint64_t last; // of the buffers, whose number is a power of two
    lm_handle handles[BUFFERS_MAX];
    uint64_t counters[BUFFERS_MAX];
};

// A value that the compiler has to have computed.
static inline void use(uint64_t value) {
    __asm__ volatile("" : : "r"(value) : "memory");
}

buffer_world *buffer_world_start(const char *strategy, bool atomic, uint32_t buffers) {
    buffer_world *w = calloc(1, sizeof *w);
    const lm_allocator *a = lm_strategy_named(strategy, 0);
    if (!w || !a || buffers & (buffers - 1) || buffers > BUFFERS_MAX) abort();
    w->allocator = a;
    w->last = buffers - 1;
    const lm_counts *counts = atomic ? &lm_counts_atomic : &lm_counts_plain;
    if (!lm_memory_create(&w->memory, &(lm_memory_options){.pages = 16, .pages_max = 1024}) ||
        !a->start(&w->memory) || !lm_buffer_table_start(&w->table, counts, a, &w->memory))
        abort();
    for (uint32_t i = 0; i < buffers; i++)
        if (lm_buffer_create(&w->table, OWNER, LM_HOME, SIZE, LM_BLOCK_ALIGNMENT, false,
                             &w->handles[i]))
            abort();
    return w;
}

void buffer_world_end(buffer_world *world) {
    lm_memory_destroy(&world->memory);
    free(world);
}

void loop_retain_release(buffer_world *world, uint64_t count) {
    for (uint64_t n = 0; n < count; n++) {
        uint64_t i = n & world->last;
        use(lm_buffer_retain(&world->table, OWNER, world->handles[i]));
        use(lm_buffer_release(&world->table, OWNER, world->handles[i]));
    }
}

void loop_bare_counter(buffer_world *world, uint64_t count) {
    for (uint64_t n = 0; n < count; n++) {
        uint64_t i = n & world->last;
        volatile uint64_t *counter = &world->counters[i];
        ++*counter;
        --*counter;
    }
}

// In the weakest orders that are right: relaxed up, release down.
void loop_bare_atomic(buffer_world *world, uint64_t count) {
    for (uint64_t n = 0; n < count; n++) {
        uint64_t i = n & world->last;
        use(__atomic_add_fetch(&world->counters[i], 1, __ATOMIC_RELAXED));
        use(__atomic_sub_fetch(&world->counters[i], 1, __ATOMIC_RELEASE));
    }
}

static inline lm_handle create(buffer_world *w) {
    lm_handle handle = 0;
    use(lm_buffer_create(&w->table, OWNER, LM_HOME, SIZE, LM_BLOCK_ALIGNMENT, false, &handle));
    return handle;
}

void loop_create_release(buffer_world *world, uint64_t count) {
    while (count--)
        use(lm_buffer_release(&world->table, OWNER, create(world)));
}

void loop_create_release_rounds(buffer_world *world, uint64_t count) {
    lm_handle made[ROUND];
    for (uint64_t n = 0; n < count; n += ROUND) {
        for (uint32_t i = 0; i < ROUND; i++)
            made[i] = create(world);
        for (uint32_t i = 0; i < ROUND; i++)
            use(lm_buffer_release(&world->table, OWNER, made[i]));
    }
}

// Freed without a size, as buffers are.
void loop_allocate_free(buffer_world *world, uint64_t count) {
    while (count--) {
        void *block = world->allocator->allocate(SIZE, &world->memory);
        use((uintptr_t)block);
        world->allocator->free(block, 0, &world->memory);
    }
}

void loop_allocate_free_rounds(buffer_world *world, uint64_t count) {
    void *made[ROUND];
    for (uint64_t n = 0; n < count; n += ROUND) {
        for (uint32_t i = 0; i < ROUND; i++)
            made[i] = world->allocator->allocate(SIZE, &world->memory);
        for (uint32_t i = 0; i < ROUND; i++)
            world->allocator->free(made[i], 0, &world->memory);
    }
}
