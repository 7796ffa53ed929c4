// What the conformance suite cannot know of bitmap: that the lowest run serves, what the hints say,
// how blocks end, where the table goes, and that each law is seen when it is broken.
#include "alloc/conformance/heap.h"
#include "cli/test.h"

#include <string.h>

#define MAPS_PAGES_MIN 1
#define LM_CHECK_LEVEL 2
#define bitmap         tested_bitmap
#include "alloc/strategies/maps/bitmap.c"

static const lm_allocator *const tested = &LM_TABLE(bitmap);

static uint32_t granule_of(const lm_memory *m, const void *block) {
    return lm_offset(m, block) >> GRANULE_SHIFT;
}

TEST(bits_by_the_word) {
    uint64_t random = 1;
    for (int round = 0; round < 10000; round++) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        uint64_t bits = random & (random << 7 | random >> 9) & ~(random >> 21);
        if (round % 3 == 0) bits = ~bits;
        for (uint32_t count = 1; count < 64; count++) {
            uint64_t expected = 0;
            for (uint32_t at = 0, run = 0; at < 64; at++) {
                run = bits >> at & 1 ? run + 1 : 0;
                if (run >= count) expected |= (uint64_t)1 << (at + 1 - count);
            }
            assert_true(bitmap_runs_in(bits, count) == expected);
        }
    }
    for (uint32_t from = 0; from < 64; from++)
        for (uint32_t to = from + 1; to < 200; to++)
            for (uint32_t at = 0; at < 64; at++)
                assert_int_equal(bitmap_mask(from, to) >> at & 1, at >= from && at < to);
}

// Holes of 1 … 100 granules in falling order: each request takes the lowest hole that it fits.
TEST(the_lowest_run_serves) {
    enum { HOLES = 100 };
    lm_memory m = heap_started(tested, 4, 10);
    void *holes[HOLES + 1];
    for (uint32_t size = HOLES; size > 0; size--) {
        holes[size] = tested->allocate(16 * size, &m);
        tested->allocate(1, &m);
    }
    for (uint32_t size = 1; size <= HOLES; size++)
        tested->free(holes[size], size % 2 ? 16 * size : 0, &m);
    heap_walk(tested, &m);
    for (uint32_t size = 1; size <= HOLES; size++) {
        void *first = tested->allocate(16 * size, &m); // the first hole of all
        assert_ptr_equal(first, holes[HOLES]);
        tested->free(first, 0, &m);
    }
    tested->allocate(16 * HOLES, &m);
    for (uint32_t size = HOLES - 1; size > 0; size--)
        assert_ptr_equal(tested->allocate(16 * size, &m), holes[size]);
    heap_walk(tested, &m);
    lm_memory_destroy(&m);
}

// A run may begin in one page and end in another, or have whole ones inside.
TEST(runs_cross_pages) {
    lm_memory m = heap_started(tested, 8, 8);
    lm_memory_refuse(&m, LM_REFUSE_ALL);
    lm_census empty = heap_walk(tested, &m);
    unsigned char *all[1 << 9];
    uint32_t count = 0;
    for (void *block; (block = tested->allocate(1024, &m)) != NULL; count++)
        all[count] = block;
    for (uint32_t length = 2; length < count; length = length * 3 / 2 + 1) {
        for (uint32_t from = 1; from + length < count; from += 37) {
            for (uint32_t i = 0; i < length; i += 2)
                tested->free(all[from + i], 1024, &m);
            for (uint32_t i = 1; i < length; i += 2)
                tested->free(all[from + i], 0, &m);
            assert_null(tested->allocate(length * 1024 + 1, &m));
            unsigned char *block = tested->allocate(length * 1024, &m);
            assert_ptr_equal(block, all[from]);
            assert_int_equal(tested->usable_size(block, &m), length * 1024);
            heap_walk(tested, &m);
            tested->free(block, 0, &m);
            for (uint32_t i = 0; i < length; i++)
                assert_ptr_equal(tested->allocate(1024, &m), all[from + i]);
        }
    }
    for (uint32_t i = 0; i < count; i++)
        tested->free(all[i], 0, &m);
    lm_census after = heap_walk(tested, &m);
    assert_memory_equal(&empty, &after, sizeof empty);
    lm_memory_destroy(&m);
}

// By one bit after the other, where the lowest run begins. 0: there is none.
static uint32_t lowest_run(const lm_memory *m, uint32_t count) {
    for (uint32_t at = maps_of(m)->first * PAGE_GRANULES, run = 0; at < maps_end(m); at++) {
        run = maps_is_free(m, at) ? run + 1 : 0;
        if (run == count) return at + 1 - count;
    }
    return 0;
}

// Whatever is allocated, freed and resized, and whatever the hints have learnt from it.
TEST(no_hint_hides_a_run) {
    enum { BLOCKS = 300 };
    lm_memory m = heap_started(tested, 20, 20);
    void *blocks[BLOCKS] = {0};
    uint64_t random = 5;
    for (uint32_t round = 0; round < 20000; round++) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        uint32_t i = (uint32_t)(random >> 33) % BLOCKS, log2 = (uint32_t)(random >> 50) % 14;
        size_t size = 16 * (1 + ((random >> 20) & ((1u << log2) - 1)));
        if (blocks[i] && round % 3 == 0) {
            void *now = tested->resize(blocks[i], size, &m);
            if (now) blocks[i] = now;
        } else if (blocks[i]) {
            tested->free(blocks[i], 0, &m);
            blocks[i] = NULL;
        } else {
            uint32_t at = lowest_run(&m, (uint32_t)size / 16);
            blocks[i] = tested->allocate(size, &m);
            if (blocks[i] ? granule_of(&m, blocks[i]) != at : at != 0)
                fail_msg("round %u: %zu bytes fit at granule %u", round, size, at);
        }
        if (round % 16 == 0) heap_walk(tested, &m);
    }
    lm_memory_destroy(&m);
}

// What was searched in vain is passed by, until something is freed in it.
TEST(hints_learn) {
    lm_memory m = heap_started(tested, 4, 4);
    lm_memory_refuse(&m, LM_REFUSE_ALL);
    void *blocks[4000], *whole;
    uint32_t count = 0;
    while ((whole = tested->allocate(64, &m)) != NULL && count < 4000)
        blocks[count++] = whole;
    while (tested->allocate(16, &m))
        continue;
    assert_null(tested->allocate(16, &m)); // the pages have been told, now the group is
    assert_int_equal(bitmap_heap(&m)->groups[0], 0);
    assert_int_equal(maps_hints(&m, 0)[1], 0);
    for (uint32_t i = 0; i < count; i += 2)
        tested->free(blocks[i], 64, &m);
    assert_int_equal(bitmap_heap(&m)->groups[0], 4);
    assert_int_equal(maps_hints(&m, 0)[1], 4);
    assert_int_equal(maps_hints(&m, 1)[PAGE_WORDS + 5], 4);
    bitmap_heap(&m)->groups[0] = maps_hints(&m, 0)[1] = UNBOUNDED; // as after a run was used up
    memset(maps_hints(&m, 1) + PAGE_WORDS, UNBOUNDED, PAGE_WORDS);
    heap_walk(tested, &m);
    assert_null(tested->allocate(80, &m)); // the page's note knows better still
    assert_int_equal(maps_hints(&m, 1)[PAGE_WORDS + 5], UNBOUNDED);
    *maps_note(&m, 1) |= LONGEST;
    bitmap_heap(&m)->groups[0] = maps_hints(&m, 0)[1] = UNBOUNDED;
    heap_walk(tested, &m);
    assert_null(tested->allocate(80, &m));
    assert_int_equal(maps_hints(&m, 1)[PAGE_WORDS + 5], 4);
    assert_null(tested->allocate(80, &m));
    assert_int_equal(bitmap_heap(&m)->groups[0], 4);
    tested->free(blocks[count / 2 | 1], 64, &m);
    assert_ptr_equal(tested->allocate(80, &m), blocks[(count / 2 | 1) - 1]);
    heap_walk(tested, &m);
    lm_memory_destroy(&m);
}

// Of a large block, what lies inside is known by the page.
TEST(large_blocks_end_where_they_end) {
    lm_memory m = heap_started(tested, 20, 200);
    unsigned char *block = tested->allocate(1000000, &m), *behind = tested->allocate(16, &m);
    uint32_t first = granule_of(&m, block), inside = 0;
    assert_ptr_equal(behind, block + 1000000);
    for (uint32_t page = 0; page < maps_of(&m)->end; page++)
        inside += !!(*maps_note(&m, page) & INSIDE);
    assert_int_equal(inside, 1000000 / LM_PAGE_BYTES - 1);
    assert_int_equal(bitmap_block_end(&m, first) - first, 1000000 / 16);
    for (size_t size = 900000; size > 0; size = size / 3 * 2) {
        assert_ptr_equal(tested->resize(block, size, &m), block);
        assert_int_equal(tested->usable_size(block, &m), (size + 15) / 16 * 16);
        heap_walk(tested, &m);
    }
    for (size_t size = 16; size <= 1000000; size = size * 2 + 16) {
        assert_ptr_equal(tested->resize(block, size, &m), block);
        assert_int_equal(tested->usable_size(block, &m), size);
        heap_walk(tested, &m);
    }
    lm_memory_destroy(&m);
}

// The table moves where the heap outgrows it, what it leaves is free, and reset brings it back.
TEST(the_table_moves) {
    for (int foreign = 0; foreign < 2; foreign++) {
        lm_memory m = heap_started(tested, 1, 2000);
        m.moving = true;
        uint32_t moves = 0, table = maps_of(&m)->table, front = table, block = 0;
        for (size_t size = 16; size < 8000000; size += size / 4 + 5000) {
            if (foreign && size % 5 == 1) assert_true(lm_memory_grow_foreign(&m, 1));
            void *now =
                block ? tested->resize(lm_at(&m, block), size, &m) : tested->allocate(size, &m);
            assert_non_null(now);
            block = lm_offset(&m, now);
            moves += maps_of(&m)->table != table;
            table = maps_of(&m)->table;
            heap_walk(tested, &m);
        }
        assert_in_range(moves, 4, 10);
        tested->reset(&m);
        assert_int_equal(maps_of(&m)->table == front, !foreign);
        lm_census census = heap_walk(tested, &m);
        assert_int_equal(census.live_blocks, 0);
        if (!foreign) assert_int_equal(census.free_blocks, 1);
        lm_memory_destroy(&m);
    }
}

// But for what is new where the table moves behind it.
TEST(fresh_memory_is_not_cleared) {
    lm_memory m = heap_started(tested, 1, 200);
    memset(lm_at(&m, 40000), 0xee, LM_PAGE_BYTES - 40000);
    uint64_t sum = 0;
    size_t dirty;
    for (int round = 0; round < 2; round++) {
        for (uint32_t i = 0; i < 200; i++) {
            size_t size = 16u << i % 13;
            unsigned char *block = tested->allocate_zeroed(size, &m);
            for (size_t at = 0; at < size; at++)
                assert_int_equal(block[at], 0);
            memset(block, 0xee, size);
            if (i % 3) tested->free(block, size, &m);
        }
        for (uint32_t i = 0; i < 40; i++) {
            assert_true(bitmap_claim(&m, 2000, 1, &dirty) != 0);
            sum += dirty < 2000 * 16 ? dirty : 2000 * 16;
        }
        assert_true((sum < 20 * 2000 * 16) == (round == 0));
        tested->reset(&m);
    }
    lm_memory_destroy(&m);
}

TEST(what_is_no_block_is_trapped) {
    lm_memory m = heap_started(tested, 1, 100);
    unsigned char *blocks[50];
    for (int i = 0; i < 50; i++)
        blocks[i] = tested->allocate(16, &m);
    for (int i = 0; i < 50; i++)
        tested->free(blocks[i], 0, &m);
    unsigned char *block = tested->allocate(500, &m);
    assert_ptr_equal(block, blocks[0]);
    for (uint32_t at = 16; at < 600; at += 16)
        heap_traps(tested, &m, block + at, 0);
    heap_traps(tested, &m, block, 513);
    heap_traps(tested, &m, block, 496); // it has one granule more
    uint32_t foreign = lm_memory_pages(&m) * LM_PAGE_BYTES;
    assert_true(lm_memory_grow_foreign(&m, 1));
    heap_traps(tested, &m, lm_at(&m, foreign), 0); // not seen by the heap yet
    unsigned char *large = tested->allocate(10 * LM_PAGE_BYTES, &m);
    for (uint32_t at = LM_PAGE_BYTES; at < 10 * LM_PAGE_BYTES; at += LM_PAGE_BYTES)
        heap_traps(tested, &m, large + at, 0);
    heap_traps(tested, &m, lm_at(&m, foreign), 0);
    assert_true(maps_of(&m)->table % LM_PAGE_BYTES == 0);
    heap_traps(tested, &m, lm_at(&m, maps_of(&m)->table), 0);
    heap_traps(tested, &m, lm_at(&m, m.heap_start), 0);
    heap_walk(tested, &m);
    lm_memory_destroy(&m);
}

typedef struct scene {
    lm_memory memory;
    heap *h;
    uint32_t live;  // a block of four granules, free ones before and behind
    uint32_t inner; // a page inside a block
} scene;

// Breaks a law. Returns its name, or NULL if there are no more numbers.
static const char *break_law(scene *s, int number) {
    lm_memory *m = &s->memory;
    HEAP_BREAK("table", s->h->maps.end++);
    HEAP_BREAK("table", s->h->maps.table = 0);
    HEAP_BREAK("table", *maps_note(m, 1) = PAGE_TABLE);
    HEAP_BREAK("clean", s->h->maps.clean = s->live);
    HEAP_BREAK("blocks", maps_word(m, s->live)->begins ^= maps_bit(s->live));
    HEAP_BREAK("blocks", maps_word(m, s->live + 4)->free ^= maps_bit(s->live + 4);
               maps_word(m, s->live + 6)->free ^= maps_bit(s->live + 6));
    HEAP_BREAK("blocks", maps_word(m, s->live - 4)->begins ^= maps_bit(s->live - 4));
    HEAP_BREAK("blocks", maps_word(m, 2)->begins |= maps_bit(2));
    HEAP_BREAK("notes", *maps_note(m, 0) |= INSIDE);
    HEAP_BREAK("notes", maps_word(m, s->inner * PAGE_GRANULES + 9)->begins = 1);
    HEAP_BREAK("hints", maps_hints(m, 1)[(s->live - 1) / WORD_GRANULES] = 3);
    HEAP_BREAK("hints", maps_hints(m, 0)[0] = 3);
    HEAP_BREAK("notes", *maps_note(m, 0) = 3);
    HEAP_BREAK("hints", s->h->groups[0] = 3);
    HEAP_BREAK("hints",
               maps_hints(m, 1)[bitmap_words_end(m) - 2] = WORD_GRANULES); // the last page is free
    return NULL;
}

TEST(each_broken_law_is_seen) {
    const char *law = "";
    for (int number = 0; law; number++) {
        scene s = {.memory = heap_started(tested, 5, 10), .inner = 2};
        lm_memory *m = &s.memory;
        void *before = tested->allocate(64, m), *live_one = tested->allocate(64, m);
        void *behind = tested->allocate(64, m);
        tested->allocate(3 * LM_PAGE_BYTES, m);
        tested->free(before, 0, m);
        tested->free(behind, 0, m);
        s.live = granule_of(m, live_one);
        s.h = bitmap_heap(m);
        assert_true(*maps_note(m, s.inner) & INSIDE);
        heap_walk(tested, m);
        law = break_law(&s, number);
        if (law)
            heap_broken(tested, m, law);
        else
            lm_memory_destroy(m);
    }
}

TEST_MAIN(NULL, NULL)
