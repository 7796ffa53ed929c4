// What the conformance suite cannot know of buddy: where blocks are split, that they merge up to
// one, how the heap grows and where its table goes, and that each law is seen when it is broken.
#include "alloc/conformance/heap.h"
#include "cli/test.h"

#include <string.h>

#define MAPS_PAGES_MIN 1
#define LM_CHECK_LEVEL 2
#define ORDERS         16 // up to 512 KiB
#define buddy          tiny_buddy
#include "alloc/strategies/maps/buddy.c"

static const lm_allocator *const tiny = &LM_TABLE(buddy);

enum { MIB = 1 << 20 };

static bool table_at_front(const lm_memory *m) {
    return maps_of(m)->table >> GRANULE_SHIFT == maps_front(m, sizeof(heap));
}

TEST(blocks_are_powers_of_two) {
    lm_memory m = heap_started(tiny, 20, 100);
    for (size_t size = 0; size < 100000; size += size / 3 + 1) {
        for (size_t alignment = 1; alignment <= LM_PAGE_BYTES; alignment *= 2) {
            const void *block = tiny->allocate_aligned(alignment, size, &m);
            size_t usable = tiny->usable_size(block, &m);
            assert_true(usable >= size && (usable & (usable - 1)) == 0);
            assert_true(usable == 16 || usable / 2 < size || usable == alignment);
            assert_int_equal(usable, tiny->block_bytes_max(size, alignment));
            assert_int_equal(lm_offset(&m, block) % usable, 0);
            tiny->free((void *)block, size, &m);
        }
    }
    assert_null(tiny->allocate(SIZE_LIMIT + 1, &m));
    assert_non_null(tiny->allocate(SIZE_LIMIT, &m));
    lm_memory_destroy(&m);
}

// A block is halved down to what is asked for; what is left serves next, in order, and all merges
// up to one block again, in whatever order it is freed.
TEST(buddies_split_and_merge_up_to_one) {
    lm_memory m = heap_started(tiny, 8, 8);
    lm_census before = heap_walk(tiny, &m);
    lm_memory_refuse(&m, LM_REFUSE_ALL);
    unsigned char *whole = tiny->allocate(SIZE_LIMIT / 4, &m), *block = NULL;
    uint32_t count = SIZE_LIMIT / 4 / 512;
    for (uint32_t order = 0; order < ORDERS; order++) // all else
        while (buddy_heap(&m)->free[order])
            tiny->allocate((size_t)16 << order, &m);
    assert_ptr_equal(tiny->resize(whole, 512, &m), whole);
    for (uint32_t i = 1; i < count; i++) {
        block = tiny->allocate(512, &m);
        assert_ptr_equal(block, whole + i * 512);
    }
    heap_walk(tiny, &m);
    for (uint32_t i = 0; i < count; i++) // 77 is odd, so each is met once
        tiny->free(whole + i * 77 % count * 512, 512, &m);
    assert_ptr_equal(tiny->allocate(SIZE_LIMIT / 4, &m), whole);
    tiny->reset(&m);
    lm_census after = heap_walk(tiny, &m);
    assert_memory_equal(&before, &after, sizeof before);
    lm_memory_destroy(&m);
}

TEST(resize_takes_the_buddy) {
    lm_memory m = heap_started(tiny, 8, 100);
    unsigned char *block = tiny->allocate(SIZE_LIMIT / 2, &m);
    for (size_t size = SIZE_LIMIT / 4; size > 0; size /= 2) {
        assert_ptr_equal(tiny->resize(block, size, &m), block);
        assert_int_equal(tiny->usable_size(block, &m), size < 16 ? 16 : size);
        heap_walk(tiny, &m);
    }
    unsigned char *second = tiny->allocate(16, &m);
    assert_ptr_equal(second, block + 16);
    assert_ptr_equal(tiny->resize(block, 16, &m), block);
    tiny->free(second, 16, &m);
    assert_ptr_equal(tiny->resize(block, 5000, &m), block);
    unsigned char *odd = tiny->allocate(8192, &m); // a second half grows nowhere
    assert_ptr_equal(odd, block + 8192);
    assert_ptr_not_equal(tiny->resize(odd, 10000, &m), odd);
    heap_walk(tiny, &m);
    lm_memory_destroy(&m);
}

// Growth goes to where a block of the size may begin, and makes use of a free end.
TEST(growth_joins_the_free_end) {
    lm_memory m = heap_started(tiny, 1, 100);
    m.moving = true;
    uint32_t block = lm_offset(&m, tiny->allocate(4 * LM_PAGE_BYTES, &m));
    assert_int_equal(block, 4 * LM_PAGE_BYTES);
    assert_int_equal(lm_memory_pages(&m), 8);
    tiny->free(lm_at(&m, block), 0, &m);
    block = lm_offset(&m, tiny->allocate(8 * LM_PAGE_BYTES, &m));
    assert_int_equal(block, 8 * LM_PAGE_BYTES); // what lies before it is not ours to the start
    assert_int_equal(lm_memory_pages(&m), 16);
    tiny->allocate(4 * LM_PAGE_BYTES, &m);
    assert_int_equal(lm_memory_pages(&m), 16);
    uint32_t half = lm_offset(&m, tiny->allocate(4 * LM_PAGE_BYTES, &m));
    tiny->free(lm_at(&m, half), 0, &m);
    uint32_t pages = lm_memory_pages(&m);
    block = lm_offset(&m, tiny->allocate(8 * LM_PAGE_BYTES, &m));
    assert_int_equal(block, half);
    assert_int_equal(lm_memory_pages(&m), pages + 4);
    assert_true(lm_memory_grow_foreign(&m, 3));
    block = lm_offset(&m, tiny->allocate(2 * LM_PAGE_BYTES, &m));
    assert_true(block >= (pages + 4 + 3) * LM_PAGE_BYTES || block < half);
    heap_walk(tiny, &m);
    lm_memory_destroy(&m);
}

// The table moves where the heap outgrows it, what it leaves is free, and reset brings it back.
TEST(the_table_moves) {
    for (int foreign = 0; foreign < 2; foreign++) {
        lm_memory m = heap_started(tiny, 1, 2000);
        m.moving = true;
        uint32_t moves = 0, table = maps_of(&m)->table;
        for (int i = 0; i < 200; i++) {
            if (foreign && i % 25 == 1) assert_true(lm_memory_grow_foreign(&m, 1));
            assert_non_null(tiny->allocate(LM_PAGE_BYTES, &m));
            moves += maps_of(&m)->table != table;
            table = maps_of(&m)->table;
            if (i % 20 == 0) heap_walk(tiny, &m);
        }
        assert_in_range(moves, 5, 10);
        assert_false(table_at_front(&m));
        tiny->reset(&m);
        assert_int_equal(table_at_front(&m), !foreign);
        lm_census census = heap_walk(tiny, &m);
        assert_int_equal(census.live_blocks, 0);
        uint32_t taken =
            sizeof(heap) + (foreign
                                ? lm_round_up(maps_of(&m)->capacity * PAGE_MAP_BYTES, LM_PAGE_BYTES)
                                : maps_table_granules(maps_of(&m)) * 16);
        assert_in_range(census.heap_bytes - census.free_bytes, taken, taken + 31);
        lm_memory_destroy(&m);
    }
}

// What was never used is not written by allocate_zeroed: links leave nothing behind.
TEST(fresh_memory_is_not_cleared) {
    lm_memory m = heap_started(tiny, 1, 200);
    size_t dirty;
    for (int round = 0; round < 2; round++) {
        for (uint32_t i = 0; i < 200; i++) {
            size_t size = 16u << i % 13;
            unsigned char *block = tiny->allocate_zeroed(size, &m);
            for (size_t at = 0; at < size; at++)
                assert_int_equal(block[at], 0);
            memset(block, 0xee, size);
            if (i % 3) tiny->free(block, size, &m);
        }
        uint32_t block = buddy_claim(&m, ORDERS - 1, &dirty);
        assert_true(block != 0 && (round == 1 || dirty == 0));
        tiny->reset(&m);
    }
    lm_memory_destroy(&m);
}

TEST(what_is_no_block_is_trapped) {
    lm_memory m = heap_started(tiny, 1, 100);
    for (int i = 0; i < 50; i++)
        tiny->free(tiny->allocate(16u << i % 10, &m), 0, &m);
    unsigned char *block = tiny->allocate(1024, &m);
    for (uint32_t at = 16; at < 1024; at += 16)
        heap_traps(tiny, &m, block + at, 0);
    heap_traps(tiny, &m, block, 1025);
    uint32_t foreign = lm_memory_pages(&m) * LM_PAGE_BYTES;
    assert_true(lm_memory_grow_foreign(&m, 1));
    heap_traps(tiny, &m, lm_at(&m, foreign), 0); // not seen by the heap yet
    for (int i = 0; i < 20; i++)
        assert_non_null(tiny->allocate(LM_PAGE_BYTES, &m));
    heap_traps(tiny, &m, lm_at(&m, foreign), 0);
    assert_false(table_at_front(&m));
    heap_traps(tiny, &m, lm_at(&m, maps_of(&m)->table), 0);
    heap_walk(tiny, &m);
    lm_memory_destroy(&m);
}

typedef struct scene {
    lm_memory memory;
    heap *h;
    uint32_t live, free; // blocks of 64 bytes, that lie beside each other in this order
} scene;

// Breaks a law. Returns its name, or NULL if there are no more numbers.
static const char *break_law(scene *s, int number) {
    lm_memory *m = &s->memory;
    HEAP_BREAK("table", s->h->maps.end++);
    HEAP_BREAK("table", s->h->maps.table = 0);
    HEAP_BREAK("table", s->h->maps.capacity = 0);
    HEAP_BREAK("table", *maps_note(m, 0) |= PAGE_TABLE);
    HEAP_BREAK("blocks", maps_word(m, s->live)->begins ^= maps_bit(s->live));
    HEAP_BREAK("blocks", maps_word(m, s->live + 3)->begins |= maps_bit(s->live + 3));
    HEAP_BREAK("blocks", maps_word(m, s->live + 1)->free |= maps_bit(s->live + 1));
    HEAP_BREAK("merged",
               maps_word(m, s->live)->free |= maps_bit(s->live)); // the live one is its buddy
    HEAP_BREAK("lists", uint32_t order = buddy_order(m, s->free); s->h->free[order] = 0;
               s->h->orders &= ~(1u << order));
    HEAP_BREAK("lists", buddy_links(m, s->free)->prev = s->live);
    HEAP_BREAK("lists", buddy_links(m, s->free)->next = s->live);
    HEAP_BREAK("lists", buddy_links(m, s->free)->next = s->free);
    HEAP_BREAK("orders", s->h->orders ^= 1u << buddy_order(m, s->free));
    HEAP_BREAK("clean", s->h->maps.clean = s->live);
    return NULL;
}

TEST(each_broken_law_is_seen) {
    const char *law = "";
    for (int number = 0; law; number++) {
        scene s = {.memory = heap_started(tiny, 1, 10)};
        lm_memory *m = &s.memory;
        while (buddy_order(m, s.live = lm_offset(m, tiny->allocate(64, m)) >> GRANULE_SHIFT) != 2 ||
               !buddy_is_whole(m, s.live ^ 4, 2))
            continue;
        s.free = s.live ^ 4;
        s.h = buddy_heap(m);
        heap_walk(tiny, m);
        law = break_law(&s, number);
        if (law)
            heap_broken(tiny, m, law);
        else
            lm_memory_destroy(m);
    }
}

TEST_MAIN(NULL, NULL)
