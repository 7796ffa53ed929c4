// A foreign C module with its own memory and malloc. It holds a buffer longer than the managed
// program does, and uses nothing of the buffer layer but a handle and its release.
#include "alloc/strategies/strategy.h"

extern const lm_allocator LM_TABLE(STRATEGY);
extern unsigned char __heap_base;

__attribute__((import_module("buffers"), import_name("release"))) uint32_t release(uint64_t handle);

#pragma GCC visibility push(default) // what is not static is exported

static lm_memory memory = {.pages_max = LM_PAGES_MAX};
static uint64_t held;
static uint32_t held_start, held_size;

bool module_start(void) {
    memory.heap_start = lm_round_up((uint32_t)(uintptr_t)&__heap_base, LM_BLOCK_ALIGNMENT);
    return LM_TABLE(STRATEGY).start(&memory);
}
void *malloc(size_t size) {
    return LM_TABLE(STRATEGY).allocate(size, &memory);
}
void *realloc(void *block, size_t size) {
    return LM_TABLE(STRATEGY).resize(block, size, &memory);
}
void free(void *block) {
    LM_TABLE(STRATEGY).free(block, 0, &memory);
}

void *make_filled(uint32_t size, uint32_t byte) {
    void *block = malloc(size);
    return block ? memset(block, (int)byte, size) : NULL;
}

// The reference now belongs to the module.
void hold(uint64_t handle, uint32_t start, uint32_t size) {
    held = handle;
    held_start = start;
    held_size = size;
}
uint32_t sum_held(void) {
    uint32_t sum = 0;
    for (uint32_t i = 0; i < held_size; i++)
        sum += *(const unsigned char *)lm_at(&memory, held_start + i);
    return sum;
}
uint32_t drop_held(void) {
    return release(held);
}

uint32_t module_blocks(void) {
    lm_census census;
    return LM_TABLE(STRATEGY).validate(&memory, &census) ? UINT32_MAX
                                                         : (uint32_t)census.live_blocks;
}
