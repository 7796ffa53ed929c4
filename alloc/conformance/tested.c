#include "alloc/conformance/tested.h"
#include "alloc/registry.h"

extern const lm_allocator lm_minimal_level0, lm_minimal_level1, lm_minimal_level2;

// ---- Checks of every call -----------------------------------------------------------------------

const lm_allocator *tested;
static _Thread_local bool checks_blocks;
static _Thread_local size_t usable_before; // of the block that is resized

static void before_resize(const void *block, lm_memory *memory) {
    if (checks_blocks) usable_before = tested->usable_size(block, memory);
}

static void check_block(const void *block, lm_memory *memory) {
    const recorded_call *call = calls_last();
    uint64_t alignment = call->alignment ? call->alignment : 1, size = call->size;
    uint64_t offset = (uint64_t)call->result,
             end = (uint64_t)lm_memory_pages(memory) * LM_PAGE_BYTES;
    require_that(inside, offset, >=, memory->heap_start);
    require_that(inside, offset, <=, end);
    require_that(aligned, offset % LM_BLOCK_ALIGNMENT, ==, 0);
    require_that(aligned, offset % alignment, ==, 0);
    uint64_t usable_bytes = tested->usable_size(block, memory);
    require_that(usable, usable_bytes, >=, size);
    require_that(inside, usable_bytes, <=, end - offset);
}

// A resize that failed has left the block as it was.
static void check_resized(lm_memory *memory) {
    signal_breaks = LAW_refused;
    size_t usable_after = tested->usable_size(lm_memory_base(memory) + calls_last()->block, memory);
    signal_breaks = LAW_returns;
    require_that(refused, usable_after, ==, usable_before);
}

static void check_call(const void *block, lm_memory *memory) {
    if (!checks_blocks) return;
    if (block)
        check_block(block, memory);
    else if (calls_last()->arguments == CALL_OF_BLOCK)
        check_resized(memory);
}

void check_blocks(bool on) {
    checks_blocks = on;
}

void tested_set(const lm_allocator *allocator) {
    static const call_checks checks = {before_resize, check_call};
    tested = calls_recorded(allocator, &checks);
    checks_blocks = true;
}

// ---- Helpers ------------------------------------------------------------------------------------

bool can(lm_capability capability) {
    return tested->capabilities & capability;
}

lm_memory make(uint32_t pages, uint32_t pages_max, uint32_t heap_start) {
    lm_memory memory;
    assert_true(lm_memory_create(
        &memory,
        &(lm_memory_options){.pages = pages, .pages_max = pages_max, .heap_start = heap_start}));
    return memory;
}

lm_memory started(uint32_t pages, uint32_t pages_max) {
    lm_memory memory = make(pages, pages_max, 0);
    require(start, tested->start(&memory));
    return memory;
}

lm_census walk(lm_memory *memory) {
    lm_census census;
    const char *broken = tested->validate(memory, &census);
    require_as(sound, !broken, "validate returned \"%s\"", broken);
    return census;
}

void require_bound(uint64_t heap_bytes, const lm_demand *demand, uint32_t pages_begun) {
    if (!tested->heap_bytes_max) return;
    uint64_t begun = (uint64_t)pages_begun * LM_PAGE_BYTES;
    require_that(bound, heap_bytes, <=, begun + tested->heap_bytes_max(demand));
}

const lm_allocator *tested_named(const char *name, int check_level) {
    static const lm_allocator *const minimal[] = {&lm_minimal_level0, &lm_minimal_level1,
                                                  &lm_minimal_level2};
    if (strcmp(name, "minimal") == 0) return minimal[check_level];
    return lm_strategy_named(name, check_level);
}

uint64_t bytes_max(size_t size, size_t alignment) {
    return tested->block_bytes_max(size, alignment);
}

size_t size_within(uint64_t bytes) {
    size_t low = 0, high = (size_t)1 << 32;
    while (high - low > 1) {
        size_t size = low + (high - low) / 2;
        *(bytes_max(size, LM_BLOCK_ALIGNMENT) <= bytes ? &low : &high) = size;
    }
    return low;
}

uint64_t random_next(uint64_t *state) { // splitmix64
    uint64_t z = *state += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}
uint32_t random_below(uint64_t *state, uint32_t bound) {
    return (uint32_t)(random_next(state) % bound);
}
