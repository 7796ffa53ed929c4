// What the conformance suite cannot know of segregated: that blocks are carved one after the other
// and never split, which block serves next, what aligned ones leave behind, regions among foreign
// pages, and that each law is seen when it is broken. On a tiny geometry, compiled in here.
#include "alloc/conformance/heap.h"
#include "cli/test.h"

#include <string.h>

#define LM_CHECK_LEVEL 2
#define CLASSES        14 // up to 128 KiB
#define segregated     tiny_segregated
#include "alloc/strategies/segregated.c"

static const lm_allocator *const tiny = &LM_TABLE(segregated);

TEST(classes_are_powers_of_two) {
    for (uint32_t bytes = 1; bytes <= segregated_class_bytes(CLASSES - 1); bytes++) {
        uint32_t class = segregated_class(bytes);
        assert_true(segregated_class_bytes(class) >= bytes);
        assert_true(class == 0 || segregated_class_bytes(class - 1) < bytes);
    }
    lm_memory m = heap_started(tiny, 1, 10);
    assert_int_equal(tiny->block_bytes_max(SIZE_LIMIT, 1), 1 << 17);
    assert_non_null(tiny->allocate(SIZE_LIMIT, &m));
    assert_null(tiny->allocate(SIZE_LIMIT + 1, &m));
    assert_null(tiny->allocate_aligned(32, SIZE_LIMIT - 31, &m));
    assert_non_null(tiny->allocate_aligned(32, SIZE_LIMIT - 32, &m));
    lm_memory_destroy(&m);
}

TEST(blocks_are_carved_in_order) {
    static const uint32_t sizes[] = {0, 12, 13, 28, 29, 60, 61, 1000, 1};
    lm_memory m = heap_started(tiny, 1, 10);
    uint32_t next = m.heap_start + OLDEST + FIRST_BYTES;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        const void *block = tiny->allocate(sizes[i], &m);
        assert_int_equal(lm_offset(&m, block), next);
        next += (uint32_t)tiny->block_bytes_max(sizes[i], 1);
        assert_int_equal(tiny->usable_size(block, &m) + 4, tiny->block_bytes_max(sizes[i], 1));
    }
    heap_walk(tiny, &m);
    lm_memory_destroy(&m);
}

// The block freed last serves its class first, and no other class ever.
TEST(a_block_keeps_its_class) {
    lm_memory m = heap_started(tiny, 1, 10);
    void *small = tiny->allocate(12, &m), *large = tiny->allocate(1000, &m);
    void *other = tiny->allocate(12, &m);
    tiny->free(small, 12, &m);
    tiny->free(large, 1000, &m);
    tiny->free(other, 12, &m);
    assert_int_equal(heap_walk(tiny, &m).free_blocks, 4); // and what is not carved
    assert_ptr_not_equal(tiny->allocate(28, &m), large);
    assert_ptr_equal(tiny->allocate(3, &m), other);
    assert_ptr_equal(tiny->allocate(3, &m), small);
    assert_ptr_equal(tiny->allocate(600, &m), large);
    lm_memory_destroy(&m);
}

TEST(only_the_last_block_changes_its_class) {
    lm_memory m = heap_started(tiny, 1, 10);
    unsigned char *block = tiny->allocate(100, &m), *in_the_way;
    assert_ptr_equal(tiny->resize(block, 5000, &m), block);
    assert_ptr_equal(tiny->resize(block, 100, &m), block);
    in_the_way = tiny->allocate(10, &m);
    assert_ptr_equal(in_the_way, block + 128);
    assert_ptr_equal(tiny->resize(block, 60, &m), block); // half of it serves as well
    assert_ptr_not_equal(tiny->resize(block, 200, &m), block);
    heap_walk(tiny, &m);
    lm_memory_destroy(&m);
}

// An aligned block goes back as the block it lies in; its payload is no block any more then.
TEST(aligned_blocks_lead_back) {
    lm_memory m = heap_started(tiny, 1, 10);
    unsigned char *before = tiny->allocate(10, &m);
    unsigned char *payload = tiny->allocate_aligned(1024, 100, &m);
    assert_int_equal(tiny->usable_size(payload, &m), 100);
    assert_int_equal(heap_walk(tiny, &m).live_bytes, 16 + 2048);
    assert_ptr_equal(tiny->resize_aligned(payload, 900, 1024, &m), payload);
    assert_int_equal(tiny->usable_size(payload, &m), 900);
    heap_traps(tiny, &m, payload, 901);
    tiny->free(payload, 900, &m);
    unsigned char *block = tiny->allocate(2044, &m);
    assert_ptr_equal(block, before + 16);
    heap_traps(tiny, &m, payload, 0);
    lm_memory_destroy(&m);
}

// Whatever a block holds, and whatever lay there before a reset.
TEST(interior_pointers_are_no_blocks) {
    lm_memory m = heap_started(tiny, 1, 10);
    for (int i = 0; i < 100; i++)
        tiny->allocate(20, &m);
    tiny->reset(&m);
    unsigned char *block = tiny->allocate(2000, &m);
    for (uint32_t at = 16; at < 1024; at += 16)
        heap_traps(tiny, &m, block + at, 0);
    for (uint32_t byte = 0; byte < 256; byte += 51) {
        memset(block, (int)byte, 2000);
        heap_traps(tiny, &m, block + 512, 0);
    }
    lm_memory_destroy(&m);
}

// A region that is left keeps what it has not carved; foreign pages are stepped over.
TEST(regions_serve_again) {
    lm_memory m = heap_started(tiny, 1, 10);
    const void *first = tiny->allocate(10, &m);
    assert_true(lm_memory_grow_foreign(&m, 1));
    const void *large = tiny->allocate(65000, &m);
    assert_int_equal(lm_offset(&m, large), 2 * LM_PAGE_BYTES + FIRST_BYTES);
    assert_int_equal(lm_memory_pages(&m), 4);
    assert_true(lm_memory_grow_foreign(&m, 1));
    lm_memory_refuse(&m, LM_REFUSE_ALL);
    uint32_t in_first = 0, in_second = 0;
    const void *block;
    while ((block = tiny->allocate(4000, &m)) != NULL)
        *(lm_offset(&m, block) < LM_PAGE_BYTES ? &in_first : &in_second) += 1;
    assert_int_equal(in_first, 15);
    assert_int_equal(in_second, 15);
    heap_walk(tiny, &m);
    tiny->reset(&m);
    assert_ptr_equal(tiny->allocate(10, &m), first);
    assert_ptr_equal(tiny->allocate(65000, &m), large);
    assert_int_equal(heap_walk(tiny, &m).live_blocks, 2);
    lm_memory_destroy(&m);
}

// Zeroed blocks off new memory are not written; those off memory in use before are.
TEST(fresh_memory_is_not_cleared) {
    lm_memory m = heap_started(tiny, 1, 10);
    memset(lm_at(&m, 4096), 0xee, LM_PAGE_BYTES - 4096);
    for (int round = 0; round < 2; round++) {
        for (size_t size = 1000; size < 100000; size += size) {
            unsigned char *block = tiny->allocate_zeroed(size, &m);
            size_t dirty;
            for (size_t i = 0; i < size; i++)
                assert_int_equal(block[i], 0);
            memset(block, 0xee, size);
            if (round == 0 && size == 64000) { // the first that lies in new memory
                segregated_carve(&m, 10, &dirty);
                assert_int_equal(dirty, 0);
            }
        }
        tiny->reset(&m);
    }
    lm_memory_destroy(&m);
}

TEST(laws_are_seen_when_broken) {
    static const struct {
        uint32_t of; // what is broken: 0 in the heap, 1 around the live block, 2 the free one
        int32_t at;
        uint32_t value;
        const char *law;
    } cases[] = {
        {0, OLDEST + offsetof(region, end), 70000, "regions"},
        {0, OLDEST + offsetof(region, end), 5 * LM_PAGE_BYTES - 16, "regions"},
        {0, OLDEST + offsetof(region, next), LM_PAGE_BYTES, "regions"},
        {0, OLDEST + offsetof(region, clean), OLDEST, "regions"},
        {0, OLDEST + offsetof(region, link), OLDEST, "regions"},
        {0, offsetof(heap, newest), 24, "regions"},
        {0, offsetof(heap, current), 4096, "regions"},
        {0, OLDEST + offsetof(region, next), OLDEST + FIRST_BYTES + 16, "blocks in region"},
        {0, offsetof(heap, seal), 0, "words"},
        {1, -4, 0, "words"},
        {2, -4, 0, "words"},
        {0, offsetof(heap, free), 4096, "lists"},
        {0, offsetof(heap, free), 12, "lists"},
        {0, offsetof(heap, free) + 4, 0, "free is listed"},
        {2, 0, OLDEST + FIRST_BYTES + 64, "free is listed"}, // a ring
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        lm_memory m = heap_started(tiny, 1, 10);
        unsigned char *live_one = tiny->allocate(60, &m), *free_one = tiny->allocate(20, &m);
        tiny->free(free_one, 0, &m);
        heap_walk(tiny, &m);
        heap *h = segregated_heap(&m);
        assert_ptr_equal(free_one, segregated_address(h, OLDEST + FIRST_BYTES + 64));
        unsigned char *of = cases[i].of == 0 ? (void *)h : cases[i].of == 1 ? live_one : free_one;
        *(word *)(void *)(of + cases[i].at) = cases[i].value;
        heap_broken(tiny, &m, cases[i].law);
    }
}

TEST_MAIN(NULL, NULL)
