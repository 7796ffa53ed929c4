// What the conformance suite cannot know of scope: scopes, and regions that idle.
#include "alloc/conformance/heap.h"
#include "alloc/registry.h"
#include "cli/test.h"

#include <string.h>

enum { DEPTH = 1000 };

TEST(scopes_nest) {
    const lm_allocator *a = lm_strategy_named("scope", 1);
    lm_memory memory = heap_started(a, 1, 100);
    unsigned char *outer[DEPTH];
    lm_census before[DEPTH];
    for (uint32_t i = 0; i < DEPTH; i++) {
        outer[i] = a->allocate(i % 300, &memory);
        memset(outer[i], (int)i, i % 300);
        before[i] = heap_walk(a, &memory);
        assert_true(a->open_scope(&memory));
    }
    for (uint32_t i = DEPTH; i-- > 0;) {
        assert_non_null(a->allocate(1000, &memory));
        a->close_scope(&memory);
        lm_census after = heap_walk(a, &memory);
        assert_int_equal(after.live_blocks, before[i].live_blocks);
        assert_int_equal(after.live_bytes, before[i].live_bytes);
        for (uint32_t at = 0; at < i % 300; at++)
            assert_int_equal(outer[i][at], i & 255);
    }
    lm_memory_destroy(&memory);
}

TEST(memory_is_used_again) {
    const lm_allocator *a = lm_strategy_named("scope", 1);
    lm_memory memory = heap_started(a, 1, 100);
    void *first = NULL;
    for (int round = 0; round < 1000; round++) {
        assert_true(a->open_scope(&memory));
        void *block = a->allocate_zeroed(100000, &memory);
        for (int i = 0; i < 100000; i++)
            if (((unsigned char *)block)[i] != 0) fail_msg("byte %d in round %d", i, round);
        memset(block, 0xee, 100000);
        if (round == 0) first = block;
        assert_ptr_equal(block, first);
        a->close_scope(&memory);
    }
    assert_int_equal(lm_memory_pages(&memory), 2);
    lm_memory_destroy(&memory);
}

// Regions that were entered inside a scope serve again after it, and all of them after a reset.
TEST(growth_stays) {
    const lm_allocator *a = lm_strategy_named("scope", 1);
    lm_memory memory = heap_started(a, 1, 100);
    unsigned char *kept = a->allocate(1000, &memory);
    memset(kept, 0x5a, 1000);
    for (int round = 0; round < 10; round++) {
        assert_true(a->open_scope(&memory));
        for (int i = 0; i < 5; i++) {
            if (round == 0) assert_true(lm_memory_grow_foreign(&memory, 1));
            memset(a->allocate(90000, &memory), round, 90000);
        }
        heap_walk(a, &memory);
        if (round < 9)
            a->close_scope(&memory);
        else
            a->reset(&memory);
        if (round == 0) lm_memory_refuse(&memory, LM_REFUSE_ALL);
        heap_walk(a, &memory);
    }
    for (int i = 0; i < 1000; i++)
        assert_int_equal(kept[i], 0x5a);
    for (int i = 0; i < 5; i++)
        assert_non_null(a->allocate(90000, &memory));
    lm_memory_destroy(&memory);
}

// A region that was left last stands in the way of none that is larger.
TEST(the_largest_idle_region_serves) {
    const lm_allocator *a = lm_strategy_named("scope", 1);
    const size_t sizes[] = {300000, 70000, 200000};
    lm_memory memory = heap_started(a, 1, 100);
    for (int i = 0; i < 3; i++) {
        assert_true(lm_memory_grow_foreign(&memory, 1));
        assert_non_null(a->allocate(sizes[i], &memory));
    }
    lm_memory_refuse(&memory, LM_REFUSE_ALL);
    for (int round = 0; round < 2; round++) {
        a->reset(&memory);
        assert_non_null(a->allocate(300000, &memory));
        assert_non_null(a->allocate(200000, &memory));
        assert_null(a->allocate(200000, &memory));
        assert_non_null(a->allocate(70000, &memory));
    }
    a->reset(&memory);
    uint32_t *first_end = (void *)(lm_memory_base(&memory) + 2 * LM_PAGE_BYTES + 4);
    *first_end -= 4 * LM_PAGE_BYTES;
    assert_string_equal(a->validate(&memory, NULL), "idle regions");
    lm_memory_destroy(&memory);
}

// What is behind all that was ever laid is not written by an allocation of zeros.
TEST(clean_memory_stays_untouched) {
    const lm_allocator *a = lm_strategy_named("scope", 0);
    lm_memory memory = heap_started(a, 1, 1000);
    assert_true(lm_memory_grow_foreign(&memory, 1));
    assert_non_null(a->allocate(100000, &memory));
    unsigned char *last = lm_memory_base(&memory) + lm_memory_pages(&memory) * LM_PAGE_BYTES;
    last[-20000] = 1; // stands for what a memset would not leave
    unsigned char *block = a->allocate_zeroed(90000, &memory);
    assert_true(block < last - 20000 && last - 20000 < block + 90000);
    assert_int_equal(last[-20000], 1);
    lm_memory_destroy(&memory);
}

// An idle region below was entered and left: what is free of the one above is dirty all the same.
TEST(zero_where_a_scope_was_closed) {
    const lm_allocator *a = lm_strategy_named("scope", 1);
    const size_t low = 2 * LM_PAGE_BYTES - 20, high = 5 * LM_PAGE_BYTES - 20;
    lm_memory memory = heap_started(a, 1, 100);
    assert_true(lm_memory_grow_foreign(&memory, 1));
    memset(a->allocate(low, &memory), 0xee, low);
    assert_true(lm_memory_grow_foreign(&memory, 1));
    memset(a->allocate(high, &memory), 0xee, high);
    a->reset(&memory);
    unsigned char *block = a->allocate(high - 20000, &memory);
    assert_true(a->open_scope(&memory));
    assert_true((unsigned char *)a->allocate(low, &memory) < block);
    a->close_scope(&memory);
    const unsigned char *zeros = a->allocate_zeroed(19000, &memory);
    assert_true(zeros > block && zeros < block + high);
    for (int i = 0; i < 19000; i++)
        assert_int_equal(zeros[i], 0);
    lm_memory_destroy(&memory);
}

TEST(a_refused_scope_changes_nothing) {
    const lm_allocator *a = lm_strategy_named("scope", 1);
    lm_memory memory = heap_started(a, 1, 100);
    assert_true(a->open_scope(&memory));
    lm_memory_refuse(&memory, LM_REFUSE_ALL);
    while (a->allocate(12, &memory))
        continue;
    lm_census before = heap_walk(a, &memory);
    assert_false(a->open_scope(&memory));
    lm_census after = heap_walk(a, &memory);
    assert_memory_equal(&before, &after, sizeof before);
    a->close_scope(&memory); // the outer one
    assert_int_equal(heap_walk(a, &memory).live_blocks, 0);
    assert_non_null(a->allocate(12, &memory));
    a->reset(&memory);
    lm_memory_destroy(&memory);
}

// Without checks, to close what is not open does nothing.
TEST(closing_none_is_harmless) {
    const lm_allocator *a = lm_strategy_named("scope", 0);
    lm_memory memory = heap_started(a, 1, 100);
    unsigned char *block = a->allocate(10, &memory);
    a->close_scope(&memory);
    assert_int_equal(heap_walk(a, &memory).live_blocks, 1);
    assert_ptr_equal(a->allocate(10, &memory), block + 16);
    lm_memory_destroy(&memory);
}

static uint32_t *word(lm_memory *memory, uint32_t at) {
    return (void *)(lm_memory_base(memory) + memory->heap_start + at);
}

TEST(laws_are_seen_when_broken) {
    static const struct {
        uint32_t at, value;
        const char *law;
    } broken[] = {
        {0, 1 << 20, "next in region"},   {0, 5001, "next in region"}, {4, 12345, "regions"},
        {4, 1 << 20, "regions"},          {8, 1 << 16, "regions"},     {8, 48, "regions"},
        {12, 1 << 16, "regions"},         {24, 4000, "scopes"},        {28, 0, "block in region"},
        {28, 1 << 24, "block in region"}, {4, 1 << 30, "regions"},     {12, 1 << 30, "regions"},
        {24, 1 << 30, "scopes"},
    };
    const lm_allocator *a = lm_strategy_named("scope", 0);
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        lm_memory memory = heap_started(a, 1, 100);
        assert_non_null(a->allocate(5000, &memory));
        assert_true(a->open_scope(&memory));
        *word(&memory, broken[i].at) = broken[i].value;
        heap_broken(a, &memory, broken[i].law);
    }
}

TEST_MAIN(NULL, NULL)
