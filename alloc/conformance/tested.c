#include "alloc/conformance/tested.h"
#include "alloc/registry.h"

extern const lm_allocator lm_minimal_level0, lm_minimal_level1, lm_minimal_level2;

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

// Random bytes: a mark says where in them a block's content begins.
static const unsigned char *content(uint8_t mark) {
    static unsigned char bytes[2 * EDGE_BYTES + UINT8_MAX + 1];
    if (bytes[0] == 0) {
        uint64_t state = 3;
        for (size_t i = 0; i < sizeof bytes; i++)
            bytes[i] = (unsigned char)random_next(&state);
        bytes[0] = 1;
    }
    return bytes + mark;
}

void fill(unsigned char *block, size_t bytes, uint8_t mark) {
    const unsigned char *expected = content(mark);
    if (bytes <= 2 * EDGE_BYTES) {
        memcpy(block, expected, bytes);
    } else {
        memcpy(block, expected, EDGE_BYTES);
        memcpy(block + bytes - EDGE_BYTES, expected + EDGE_BYTES, EDGE_BYTES);
    }
}

bool filled(const unsigned char *block, size_t bytes, size_t filled_bytes, uint8_t mark) {
    const unsigned char *expected = content(mark);
    if (bytes > filled_bytes) bytes = filled_bytes;
    if (filled_bytes <= 2 * EDGE_BYTES) return memcmp(block, expected, bytes) == 0;
    size_t second = filled_bytes - EDGE_BYTES;
    if (memcmp(block, expected, bytes < EDGE_BYTES ? bytes : EDGE_BYTES) != 0) return false;
    return bytes <= second || memcmp(block + second, expected + EDGE_BYTES, bytes - second) == 0;
}

unsigned char filled_byte(size_t at, size_t filled_bytes, uint8_t mark) {
    size_t second = filled_bytes > 2 * EDGE_BYTES ? filled_bytes - EDGE_BYTES : 0;
    return content(mark)[second && at >= second ? at - second + EDGE_BYTES : at];
}

bool zero(const unsigned char *block, size_t bytes) {
    return bytes == 0 || (block[0] == 0 && memcmp(block, block + 1, bytes - 1) == 0);
}
