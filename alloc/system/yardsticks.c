#include "alloc/system/yardsticks.h"

#include <string.h>

static bool start(lm_memory *memory) {
    (void)memory;
    return true;
}

static void free_nothing(void *block, size_t size, lm_memory *memory) {
    (void)block, (void)size, (void)memory;
}

static size_t usable_size_unknown(const void *block, lm_memory *memory) {
    (void)block, (void)memory;
    return 0;
}

// The start of what a yardstick uses: natively the memory, on wasm32 the heap, behind the module's
// data. One load away, as a strategy's state would be.
static inline unsigned char *yardstick_base(const lm_memory *memory) {
#ifdef __wasm__
    return (unsigned char *)(uintptr_t)(memory->heap_start - LM_BLOCK_ALIGNMENT);
#else
    return memory->base;
#endif
}

// The floor: the address of the first block.
static void *floor_allocate(size_t size, lm_memory *memory) {
    (void)size;
    return yardstick_base(memory) + LM_BLOCK_ALIGNMENT;
}

static void *floor_allocate_aligned(size_t alignment, size_t size, lm_memory *memory) {
    (void)alignment, (void)size;
    return yardstick_base(memory) + LM_BLOCK_ALIGNMENT;
}

static void *floor_resize(void *block, size_t size, lm_memory *memory) {
    (void)size, (void)memory;
    return block;
}

static void *floor_resize_aligned(void *block, size_t size, size_t alignment, lm_memory *memory) {
    (void)size, (void)alignment, (void)memory;
    return block;
}

const lm_allocator lm_floor = {
    .name = "floor",
    .idea = "one constant address: what the harness costs",
    .capabilities = LM_FREES_BLOCKS | LM_IN_LINEAR_MEMORY,
    .start = start,
    .allocate = floor_allocate,
    .allocate_zeroed = floor_allocate,
    .allocate_aligned = floor_allocate_aligned,
    .resize = floor_resize,
    .resize_aligned = floor_resize_aligned,
    .free = free_nothing,
    .usable_size = usable_size_unknown,
};

static const uint32_t *next_placement;

static void *ideal_allocate(size_t size, lm_memory *memory) {
    (void)size;
    return yardstick_base(memory) + *next_placement++;
}

static void *ideal_allocate_zeroed(size_t size, lm_memory *memory) {
    return memset(yardstick_base(memory) + *next_placement++, 0, size);
}

static void *ideal_allocate_aligned(size_t alignment, size_t size, lm_memory *memory) {
    (void)alignment, (void)size;
    return yardstick_base(memory) + *next_placement++;
}

static void *ideal_resize(void *block, size_t size, lm_memory *memory) {
    (void)size;
    unsigned char *to = yardstick_base(memory) + next_placement[0];
    uint32_t copied = next_placement[1];
    next_placement += 2;
    return copied ? memcpy(to, block, copied) : to;
}

static void *ideal_resize_aligned(void *block, size_t size, size_t alignment, lm_memory *memory) {
    (void)alignment;
    return ideal_resize(block, size, memory);
}

const lm_allocator lm_ideal = {
    .name = "ideal",
    .idea = "first fit without headers, computed before; no bound",
    .capabilities = LM_FREES_BLOCKS | LM_RESIZES_IN_PLACE | LM_IN_LINEAR_MEMORY | LM_HOLDS_CONTENT,
    .start = start,
    .allocate = ideal_allocate,
    .allocate_zeroed = ideal_allocate_zeroed,
    .allocate_aligned = ideal_allocate_aligned,
    .resize = ideal_resize,
    .resize_aligned = ideal_resize_aligned,
    .free = free_nothing,
    .usable_size = usable_size_unknown,
};

void lm_ideal_place(const uint32_t *placements) {
    next_placement = placements;
}
