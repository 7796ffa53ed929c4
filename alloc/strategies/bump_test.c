// What the conformance suite cannot know of bump: what a reset goes back to, and how far it grows.
#include "alloc/conformance/heap.h"
#include "alloc/registry.h"
#include "cli/test.h"

#include <string.h>

TEST(a_reset_goes_back_to_the_start) {
    const lm_allocator *a = lm_strategy_named("bump", 1);
    lm_memory memory = heap_started(a, 1, 100);
    void *first = a->allocate(300000, &memory);
    for (int round = 0; round < 10; round++) {
        a->reset(&memory);
        lm_memory_refuse(&memory, LM_REFUSE_ALL);
        assert_ptr_equal(a->allocate(300000, &memory), first);
    }
    lm_memory_destroy(&memory);
}

// The region after somebody else's growth is the one that serves, before a reset and after it; what
// was cut off still counts as the heap's, and nothing lives there.
TEST(what_is_cut_off_is_given_up) {
    const lm_allocator *a = lm_strategy_named("bump", 1);
    lm_memory memory = heap_started(a, 1, 100);
    assert_non_null(a->allocate(1000, &memory));
    assert_true(lm_memory_grow_foreign(&memory, 1));
    assert_non_null(a->allocate(70000, &memory));
    assert_true(lm_memory_grow_foreign(&memory, 1));
    unsigned char *third = a->allocate(140000, &memory);
    assert_int_equal(heap_walk(a, &memory).live_blocks, 3);
    assert_int_equal(lm_memory_pages(&memory), 1 + 1 + 2 + 1 + 3);
    for (int round = 0; round < 2; round++) {
        a->reset(&memory);
        lm_census census = heap_walk(a, &memory);
        assert_int_equal(census.live_blocks, 0);
        assert_int_equal(census.heap_bytes, (1 + 2 + 3) * LM_PAGE_BYTES - memory.heap_start);
        assert_ptr_equal(a->allocate(100, &memory), third);
    }
    lm_memory_destroy(&memory);
}

// A growth is large enough for a region of its own, and used up where it needed none.
TEST(a_growth_is_used_up) {
    const lm_allocator *a = lm_strategy_named("bump", 1);
    lm_memory memory = heap_started(a, 1, 100);
    unsigned char *block = a->allocate(65536, &memory);
    assert_int_equal(lm_memory_pages(&memory), 3);
    assert_ptr_equal(block, lm_memory_base(&memory) + memory.heap_start + 16);
    lm_memory_refuse(&memory, LM_REFUSE_ALL);
    assert_non_null(a->allocate(2 * LM_PAGE_BYTES - 32 - 16 - 4, &memory));
    assert_null(a->allocate(0, &memory));
    heap_walk(a, &memory);
    lm_memory_destroy(&memory);
}

// The block laid last grows and shrinks where it lies; one before it moves to grow.
TEST(the_last_block_is_resized_in_place) {
    const lm_allocator *a = lm_strategy_named("bump", 1);
    lm_memory memory = heap_started(a, 1, 100);
    unsigned char *before = a->allocate(100, &memory), *last = a->allocate(50, &memory);
    assert_ptr_equal(a->resize(last, 200000, &memory), last);
    assert_ptr_equal(a->resize(last, 12, &memory), last);
    assert_ptr_equal(a->allocate(12, &memory), last + 16);
    assert_ptr_equal(a->resize(before, 200, &memory), last + 32);
    lm_memory_destroy(&memory);
}

TEST(laws_are_seen_when_broken) {
    static const struct {
        uint32_t at, value;
        const char *law;
    } broken[] = {
        {0, 1 << 20, "next in region"},
        {0, 2 * 65536 + 40, "next in region"},
        {4, 12345, "regions"},
        {4, 1 << 20, "regions"},
        {4, 2 * 65536, "regions"},
        {8, 48, "regions"},
        {8, 1 << 20, "regions"},
        {2 * 65536 - 16 + 8, 3 * 65536, "regions"},
        {12, 0, "block in region"},
        {12, 1 << 24, "block in region"},
        {2 * 65536 - 16, 0, "next in region"},
    };
    const lm_allocator *a = lm_strategy_named("bump", 0);
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        lm_memory memory = heap_started(a, 1, 100);
        assert_non_null(a->allocate(5000, &memory));
        assert_true(lm_memory_grow_foreign(&memory, 1));
        assert_non_null(a->allocate(65000, &memory));
        heap_walk(a, &memory);
        memcpy(lm_memory_base(&memory) + memory.heap_start + broken[i].at, &broken[i].value, 4);
        heap_broken(a, &memory, broken[i].law);
    }
}

TEST_MAIN(NULL, NULL)
