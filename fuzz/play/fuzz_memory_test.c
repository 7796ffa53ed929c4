// Memories that each input resets: growth, moves and resets.
#include "cli/test.h"
#include "fuzz/play/fuzz_memory.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

static lm_memory make(uint32_t pages, uint32_t pages_max, bool moving) {
    lm_memory memory;
    assert_true(fuzz_memory_create(
        &memory, &(lm_memory_options){.pages = pages, .pages_max = pages_max, .moving = moving}));
    assert_int_equal(lm_memory_pages(&memory), pages);
    return memory;
}

static bool zero(const unsigned char *bytes, uint64_t count) {
    return count == 0 || (bytes[0] == 0 && memcmp(bytes, bytes + 1, count - 1) == 0);
}

// Growth is only a counter; it is refused, and moves the base, as in other memories.
TEST(grows_and_moves) {
    for (int moving = 0; moving < 2; moving++) {
        lm_memory memory = make(1, LM_PAGES_MAX, moving);
        unsigned char *first = lm_memory_base(&memory);
        for (uint32_t pages = 1; pages < 200; pages += 3) {
            unsigned char *base = lm_memory_base(&memory);
            base[(uint64_t)pages * LM_PAGE_BYTES - 1] = (unsigned char)pages;
            assert_int_equal(lm_memory_grow(&memory, LM_PAGES_MAX - pages + 1), LM_GROW_REFUSED);
            assert_int_equal(lm_memory_grow(&memory, 3), pages);
            if (moving) assert_false(test_readable(base));
            base = lm_memory_base(&memory);
            assert_int_equal((uintptr_t)base % FUZZ_MEMORY_ALIGNMENT_BYTES, 0);
            for (uint32_t page = 1; page <= pages; page += 3)
                assert_int_equal(base[(uint64_t)page * LM_PAGE_BYTES - 1], page);
            assert_true(zero(base + (uint64_t)pages * LM_PAGE_BYTES, 3 * LM_PAGE_BYTES));
        }
        assert_int_equal(memory.moves, moving ? 67 : 0);
        assert_int_equal(first == lm_memory_base(&memory), !moving);
        fuzz_memory_destroy(&memory);
    }
}

// A reset makes the memory that its options describe, for any memory before and any touched bytes.
TEST(is_reset) {
    static const lm_memory_options all[] = {
        {.pages = 1, .pages_max = 20},
        {.pages = 0, .pages_max = 3, .heap_start = 48},
        {.pages = 40, .pages_max = 100, .moving = true},
        {.pages = LM_PAGES_MAX - 1, .pages_max = LM_PAGES_MAX, .heap_start = 4294901760u},
        {.pages = LM_PAGES_MAX, .pages_max = LM_PAGES_MAX},
        {.pages = 9, .pages_max = 9, .heap_start = 5 * LM_PAGE_BYTES + 16},
    };
    enum { ALL = sizeof all / sizeof *all };
    lm_memory memory = make(1, LM_PAGES_MAX, false);
    for (size_t i = 0; i < (size_t)ALL * ALL; i++) {
        lm_memory_options options = all[i % ALL == 0 ? i / ALL : i % ALL];
        assert_true(fuzz_memory_reset(&memory, &options));
        assert_int_equal(lm_memory_pages(&memory), options.pages);
        assert_int_equal(memory.pages_max, options.pages_max);
        assert_int_equal(memory.heap_start, options.heap_start ? options.heap_start : 16);
        assert_true(memory.moving == options.moving && memory.moves == 0 && memory.refusals == 0);
        lm_memory_grow(&memory, 1);
        unsigned char *base = lm_memory_base(&memory);
        uint64_t end = (uint64_t)lm_memory_pages(&memory) * LM_PAGE_BYTES;
        for (uint64_t at = 0; at < end; at += at < 100 * LM_PAGE_BYTES ? 4096 : 1 << 24) {
            if (!zero(base + at, 4096)) fail_msg("reset %zu: %llu", i, (unsigned long long)at);
            base[at] = base[at + 4095] = 7;
        }
        base[end - 1] = 7;
        if (i % 4 == 1) lm_memory_move(&memory);
        lm_memory_refuse(&memory, LM_REFUSE_ALL);
    }
    fuzz_memory_destroy(&memory);
}

TEST(wrong_options) {
    const lm_memory_options wrong[] = {
        {.pages = 1, .pages_max = 21},
        {.pages = 0, .pages_max = 0},
        {.pages = 2, .pages_max = 1},
        {.pages = 1, .pages_max = 1, .heap_start = 8},
    };
    lm_memory memory = make(1, 20, false), other;
    lm_memory_base(&memory)[5] = 5;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        errno = 0;
        assert_false(fuzz_memory_reset(&memory, &wrong[i]));
        assert_int_equal(errno, EINVAL);
        errno = 0;
        if (i > 0) assert_false(fuzz_memory_create(&other, &wrong[i]));
        if (i > 0) assert_int_equal(errno, EINVAL);
    }
    assert_false(lm_memory_share(&memory, &other, 0));
    assert_int_equal(lm_memory_base(&memory)[5], 5);
    assert_true(fuzz_memory_reset(&memory, &(lm_memory_options){.pages = 2, .pages_max = 20}));
    assert_int_equal(lm_memory_base(&memory)[5], 0);
    fuzz_memory_destroy(&memory);
}

#ifndef __has_feature // gcc
#define __has_feature(feature) 0
#endif
#if __has_feature(address_sanitizer)
#include <sanitizer/asan_interface.h>

// The page after the size is poisoned, and nothing else.
TEST(the_page_after_the_size_is_poisoned) {
    lm_memory memory = make(1, 20, true);
    for (uint32_t i = 0; i < 60; i++) {
        uint64_t end = (uint64_t)lm_memory_pages(&memory) * LM_PAGE_BYTES;
        unsigned char *base = lm_memory_base(&memory), *behind = base + end;
        assert_null(__asan_region_is_poisoned(base, end));
        if (end < 20 * LM_PAGE_BYTES) {
            for (uint32_t at = 0; at < LM_PAGE_BYTES; at++)
                assert_true(__asan_address_is_poisoned(behind + at));
            assert_null(
                __asan_region_is_poisoned(behind + LM_PAGE_BYTES, 19 * LM_PAGE_BYTES - end));
        }
        if (i % 3 == 0) lm_memory_grow(&memory, i % 4);
        if (i % 3 == 1) lm_memory_move(&memory);
        if (i % 11 == 0)
            fuzz_memory_reset(
                &memory, &(lm_memory_options){.pages = i % 3, .pages_max = 20, .moving = i % 2});
    }
    unsigned char *base = lm_memory_base(&memory);
    fuzz_memory_destroy(&memory);
    assert_null(__asan_region_is_poisoned(base, 20 * LM_PAGE_BYTES));
}
#else
TEST(the_page_after_the_size_is_poisoned) {
    skip();
}
#endif

TEST_MAIN(NULL, NULL)
