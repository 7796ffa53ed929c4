// What the conformance suite cannot know of the strategies with boundary tags: where they place
// blocks, what they lay out around foreign pages, and that each law of theirs is seen when it is
// broken.
#include "alloc/conformance/heap.h"
#include "alloc/registry.h"
#include "alloc/strategies/fit/tag_bits.h"

#include <string.h>

static const char *const names[] = {"first_fit", "next_fit", "best_fit",
                                    "half_fit",  "tlsf",     "bins"};
enum { NAMES = sizeof names / sizeof *names };

static uint32_t *tag(void *block) {
    return (void *)((unsigned char *)block - 4);
}
static uint32_t *word(void *block, uint32_t at) {
    return (void *)((unsigned char *)block + at);
}

// A heap with free blocks at 1, 3 and 5, of 64, 128 and 64 bytes, between live ones.
typedef struct holes {
    lm_memory memory;
    unsigned char *blocks[9];
} holes;

// Nine blocks in a row of 64 bytes but block 3 of 128; those that `freed` names are freed in order.
static holes free_of_nine(const lm_allocator *a, const char *freed) {
    holes h = {.memory = heap_started(a, 1, 10)};
    for (int i = 0; i < 9; i++)
        h.blocks[i] = a->allocate(i == 3 ? 124 : 60, &h.memory);
    for (; *freed; freed++)
        a->free(h.blocks[*freed - '0'], 0, &h.memory);
    assert_null(a->validate(&h.memory, NULL));
    return h;
}

static holes make_holes(const lm_allocator *a) {
    return free_of_nine(a, "531");
}

// Of the equal ones the one freed last is neither the lowest nor the highest.
static holes make_equal_holes(const lm_allocator *a) {
    return free_of_nine(a, "1735");
}

TEST(first_fit_takes_the_lowest) {
    const lm_allocator *a = lm_strategy_named("first_fit", 1);
    holes h = make_equal_holes(a);
    assert_ptr_equal(a->allocate(100, &h.memory), h.blocks[3]); // two lower ones are too small
    assert_ptr_equal(a->allocate(28, &h.memory), h.blocks[1]);
    assert_ptr_equal(a->allocate(10, &h.memory), h.blocks[1] + 32);
    assert_ptr_equal(a->allocate(60, &h.memory), h.blocks[5]);
    assert_ptr_equal(a->allocate(60, &h.memory), h.blocks[7]);
    assert_ptr_equal(a->allocate(60, &h.memory), h.blocks[8] + 64); // the wilderness, last of all
    lm_memory_destroy(&h.memory);
}

TEST(next_fit_goes_round) {
    const lm_allocator *a = lm_strategy_named("next_fit", 1);
    holes h = make_equal_holes(a);
    assert_ptr_equal(a->allocate(100, &h.memory), h.blocks[3]);
    assert_ptr_equal(a->allocate(28, &h.memory), h.blocks[5]); // not back to 1
    assert_ptr_equal(a->allocate(28, &h.memory), h.blocks[5] + 32);
    assert_ptr_equal(a->allocate(60, &h.memory), h.blocks[7]);
    assert_ptr_equal(a->allocate(28, &h.memory), h.blocks[1]);
    a->free(h.blocks[3], 0, &h.memory);
    assert_ptr_equal(a->allocate(28, &h.memory), h.blocks[1] + 32);
    assert_ptr_equal(a->allocate(28, &h.memory), h.blocks[3]);
    lm_memory_destroy(&h.memory);
}

// The live blocks by address, each with what it takes; what is free between two is a free block.
typedef struct row {
    struct {
        unsigned char *at;
        size_t bytes;
    } live[150];
    uint32_t count;
} row;

// The first free block at `from` or above that has `bytes`, or NULL.
static unsigned char *find_gap(const row *r, const unsigned char *from, size_t bytes) {
    for (uint32_t i = 0; i + 1 < r->count; i++) {
        unsigned char *gap = r->live[i].at + r->live[i].bytes;
        if (gap >= from && (size_t)(r->live[i + 1].at - gap) >= bytes) return gap;
    }
    return NULL;
}

static void enter(row *r, unsigned char *block, size_t bytes) {
    uint32_t i = r->count++;
    for (; i > 0 && r->live[i - 1].at > block; i--)
        r->live[i] = r->live[i - 1];
    r->live[i].at = block;
    r->live[i].bytes = bytes;
}

// Thousands of blocks lie where a search along the heap would put them. The first one stays.
static void search_along(const char *name, bool roves) {
    const lm_allocator *a = lm_strategy_named(name, 1);
    lm_memory memory = heap_started(a, 1, 10);
    row r = {.count = 0};
    unsigned char *rover = NULL, *first = a->allocate(60, &memory);
    uint32_t random = 1;
    enter(&r, first, 64);
    for (int step = 0; step < 6000; step++) {
        random = random * 1664525 + 1013904223;
        uint32_t draw = random >> 8, size = 12 + draw % 200;
        if (r.count == sizeof r.live / sizeof *r.live || (r.count > 1 && draw / 256 % 2)) {
            uint32_t i = 1 + draw % (r.count - 1);
            a->free(r.live[i].at, 0, &memory);
            memmove(&r.live[i], &r.live[i + 1], (--r.count - i) * sizeof *r.live);
            continue;
        }
        size_t bytes = (size + 4 + 15) / 16 * 16;
        unsigned char *due = find_gap(&r, roves ? rover : NULL, bytes);
        if (!due) due = find_gap(&r, NULL, bytes);
        if (due) rover = due;
        if (!due) due = r.live[r.count - 1].at + r.live[r.count - 1].bytes; // the wilderness
        assert_ptr_equal(a->allocate(size, &memory), due);
        enter(&r, due, a->usable_size(due, &memory) + 4);
    }
    heap_walk(a, &memory);
    lm_memory_destroy(&memory);
}
TEST(first_fit_searches_along_the_heap) {
    search_along("first_fit", false);
}
TEST(next_fit_searches_along_the_heap) {
    search_along("next_fit", true);
}

TEST(best_fit_takes_the_smallest) {
    const lm_allocator *a = lm_strategy_named("best_fit", 1);
    holes h = make_equal_holes(a);
    assert_ptr_equal(a->allocate(28, &h.memory), h.blocks[5]); // of equals the one freed last
    assert_ptr_equal(a->allocate(60, &h.memory), h.blocks[7]); // what is left of 5 is too small
    assert_ptr_equal(a->allocate(20, &h.memory), h.blocks[5] + 32);
    assert_ptr_equal(a->allocate(60, &h.memory), h.blocks[1]);
    assert_ptr_equal(a->allocate(60, &h.memory), h.blocks[3]);
    lm_memory_destroy(&h.memory);
}

TEST(half_fit_passes_by_what_might_not_fit) {
    const lm_allocator *a = lm_strategy_named("half_fit", 1);
    holes h = make_equal_holes(a);
    assert_ptr_equal(a->allocate(60, &h.memory), h.blocks[5]); // a power of two with its word
    assert_ptr_equal(a->allocate(50, &h.memory), h.blocks[7]);
    assert_ptr_equal(a->allocate(50, &h.memory), h.blocks[1]);
    assert_ptr_equal(a->allocate(76, &h.memory), h.blocks[3]); // 80 bytes, from bin 7
    a->free(h.blocks[1], 0, &h.memory);
    assert_ptr_equal(a->allocate(44, &h.memory), h.blocks[1]);      // 48 are left, in bin 5
    assert_ptr_equal(a->allocate(44, &h.memory), h.blocks[3] + 80); // as no larger one is free
    assert_ptr_equal(a->allocate(28, &h.memory), h.blocks[8] + 64);
    lm_memory_destroy(&h.memory);
}

TEST(tlsf_takes_the_best_bin) {
    const lm_allocator *a = lm_strategy_named("tlsf", 1);
    holes h = make_equal_holes(a);
    assert_ptr_equal(a->allocate(124, &h.memory), h.blocks[3]);
    assert_ptr_equal(a->allocate(60, &h.memory), h.blocks[5]); // of equals the one freed last
    assert_ptr_equal(a->allocate(60, &h.memory), h.blocks[7]);
    assert_ptr_equal(a->allocate(60, &h.memory), h.blocks[1]);
    lm_memory_destroy(&h.memory);
}

// What is asked for in a row lies in a row, in what the last split left; a free block of the very
// size goes first.
TEST(bins_cut_the_victim) {
    const lm_allocator *a = lm_strategy_named("bins", 1);
    holes h = make_equal_holes(a);
    assert_ptr_equal(a->allocate(28, &h.memory), h.blocks[5]); // the last one freed of 64 bytes
    assert_ptr_equal(a->allocate(60, &h.memory), h.blocks[7]); // of the very size, freed last
    assert_ptr_equal(a->allocate(60, &h.memory), h.blocks[1]);
    assert_ptr_equal(a->allocate(12, &h.memory), h.blocks[5] + 32);
    assert_ptr_equal(a->allocate(28, &h.memory), h.blocks[3]); // what is left is too small
    assert_ptr_equal(a->allocate(28, &h.memory), h.blocks[3] + 32);
    assert_ptr_equal(a->allocate(12, &h.memory), h.blocks[5] + 48);
    assert_null(a->validate(&h.memory, NULL));
    lm_memory_destroy(&h.memory);
}

enum { LARGE = 300 };

static uint32_t large_bytes(uint32_t i) { // some sizes twice and more
    return 16 * (32 + (i % 200) * (i % 200) * 7919 % 1013);
}

// Free blocks of 512 bytes and more, and live ones between them.
static lm_memory large_holes(const lm_allocator *a, unsigned char **blocks) {
    lm_memory memory = heap_started(a, 1, 100);
    for (uint32_t i = 0; i < LARGE; i++) {
        assert_non_null(blocks[i] = a->allocate(large_bytes(i) - 4, &memory));
        assert_non_null(a->allocate(12, &memory));
    }
    for (uint32_t i = 0; i < LARGE; i++)
        a->free(blocks[i], 0, &memory);
    assert_null(a->validate(&memory, NULL));
    return memory;
}

// A test of both strategies with tries.
#define TEST_TRIES(test)                                                                           \
    TEST_CASES(test, {"bins: " #test, test, NULL, NULL, "bins"},                                   \
               {"best_fit: " #test, test, NULL, NULL, "best_fit"})

// Whatever the order, a large request gets the smallest block that fits.
TEST_TRIES(large_blocks_fit_best) {
    const lm_allocator *a = lm_strategy_named(*state, 1);
    unsigned char *blocks[LARGE];
    lm_memory memory = large_holes(a, blocks);
    for (uint32_t round = 0; round < 2000; round++) {
        uint32_t asked = large_bytes(round * 31 + 7) - 16 * (round % 3), best = UINT32_MAX;
        for (uint32_t i = 0; i < LARGE; i++)
            if (large_bytes(i) >= asked && large_bytes(i) < best) best = large_bytes(i);
        if (best == UINT32_MAX) continue;
        unsigned char *block = a->allocate(asked - 4, &memory);
        uint32_t had = 0;
        for (uint32_t i = 0; i < LARGE; i++)
            if (blocks[i] == block) had = large_bytes(i);
        assert_int_equal(had, best);
        assert_null(a->validate(&memory, NULL));
        a->free(block, 0, &memory);
    }
    lm_memory_destroy(&memory);
}

TEST_TRIES(laws_of_the_tries) {
    enum { LINK = 4, CHILD = 20 };
    const lm_allocator *a = lm_strategy_named(*state, 0);
    unsigned char *blocks[LARGE];
    bool crossed = false, cut = false;
    for (uint32_t i = 0; i < LARGE && !(crossed && cut); i++) {
        lm_memory memory = large_holes(a, blocks);
        unsigned char *heap = lm_memory_base(&memory) + memory.heap_start;
        uint32_t *link = word(blocks[i], LINK), *child = word(blocks[i], CHILD);
        if (*link % 16 != 0 && child[0] && child[1]) { // a node with two children: crossed
            uint32_t left = child[0];
            child[0] = child[1];
            child[1] = left;
            for (uint32_t bit = 0; bit < 2; bit++)
                *word(heap, child[bit] + LINK) = (uint32_t)((unsigned char *)&child[bit] - heap);
            assert_string_equal(a->validate(&memory, NULL), "trie");
            crossed = true;
        } else if (*link % 16 != 0 && *word(blocks[i], 0)) { // a node with an equal: cut off
            *word(blocks[i], 0) = 0;
            assert_non_null(a->validate(&memory, NULL));
            cut = true;
        }
        lm_memory_destroy(&memory);
    }
    assert_true(crossed && cut);
}

// What only our own growth has brought, and nobody has written, is not cleared again; all else is.
TEST(zeroed_blocks_know_clean_memory) {
    for (int i = 0; i < NAMES; i++) {
        const lm_allocator *a = lm_strategy_named(names[i], 1);
        lm_memory memory;
        assert_true(lm_memory_create(&memory, &(lm_memory_options){.pages = 1, .pages_max = 64}));
        memset(lm_memory_base(&memory), 0xdd, LM_PAGE_BYTES); // dirty before the heap starts
        assert_true(a->start(&memory));
        unsigned char *first = a->allocate_zeroed(3 * LM_PAGE_BYTES, &memory);
        for (uint32_t at = 0; at < 3 * LM_PAGE_BYTES; at++)
            assert_int_equal(first[at], 0);
        // Clean memory is left alone: what is planted there shows through.
        first[4 * LM_PAGE_BYTES - 2000 - (first - lm_memory_base(&memory))] = 7;
        unsigned char *second = a->allocate_zeroed(LM_PAGE_BYTES, &memory);
        uint32_t planted = (uint32_t)(lm_memory_base(&memory) + 4 * LM_PAGE_BYTES - 2000 - second);
        assert_in_range(planted, 0, LM_PAGE_BYTES - 1);
        assert_int_equal(second[planted], 7);
        // What was used once is cleared, wherever the wilderness begins again.
        memset(second, 0xee, LM_PAGE_BYTES);
        a->free(second, 0, &memory);
        second = a->allocate_zeroed(2 * LM_PAGE_BYTES, &memory);
        for (uint32_t at = 0; at < 2 * LM_PAGE_BYTES; at++)
            assert_int_equal(second[at], 0);
        memset(second, 0xee, 2 * LM_PAGE_BYTES);
        a->reset(&memory);
        assert_true(lm_memory_grow_foreign(&memory, 1));
        for (int part = 0; part < 3; part++) {
            unsigned char *block = a->allocate_zeroed(5 * LM_PAGE_BYTES / 2, &memory);
            for (uint32_t at = 0; at < 5 * LM_PAGE_BYTES / 2; at++)
                assert_int_equal(block[at], 0);
        }
        assert_null(a->validate(&memory, NULL));
        lm_memory_destroy(&memory);
    }
}

// Many equal holes and ever larger ones: the tree stays right, and is fast enough to end, where its
// depth is worst.
TEST(first_fit_survives_its_worst_order) {
    const lm_allocator *a = lm_strategy_named("first_fit", 1);
    for (uint32_t step = 0; step <= 16; step += 16) {
        lm_memory memory = heap_started(a, 1, 4000);
        unsigned char *blocks[2000];
        for (uint32_t i = 0; i < 2000; i++)
            assert_non_null(blocks[i] = a->allocate(60 + i * step, &memory));
        for (uint32_t i = 1; i < 2000; i += 2)
            a->free(blocks[i], 0, &memory);
        assert_null(a->validate(&memory, NULL));
        for (uint32_t i = 1; i < 2000; i += 2)
            assert_ptr_equal(a->allocate(60 + i * step, &memory), blocks[i]);
        lm_memory_destroy(&memory);
    }
}

TEST(growth_joins_or_leaves_a_gap) {
    for (int i = 0; i < NAMES; i++) {
        const lm_allocator *a = lm_strategy_named(names[i], 1);
        lm_memory memory = heap_started(a, 1, 20);
        assert_non_null(a->allocate(65536, &memory));
        assert_int_equal(lm_memory_pages(&memory), 2); // what was left has been used
        assert_true(lm_memory_grow_foreign(&memory, 3));
        assert_non_null(a->allocate(3 * 65536 - 20, &memory));
        assert_int_equal(lm_memory_pages(&memory), 8);
        lm_census census;
        assert_null(a->validate(&memory, &census));
        assert_int_equal(census.heap_bytes, 5 * 65536 - 16);
        assert_int_equal(census.live_blocks, 2);
        a->reset(&memory);
        assert_null(a->validate(&memory, &census));
        assert_int_equal(census.free_blocks, 2); // on both sides of the gap
        lm_memory_refuse(&memory, LM_REFUSE_ALL);
        assert_non_null(a->allocate(3 * 65536 - 20, &memory));
        assert_non_null(a->allocate(2 * 65536 - 8192, &memory));
        assert_null(a->allocate(65536, &memory));
        lm_memory_destroy(&memory);
    }
}

// A heap with holes, `h`, in which the statement breaks the law.
#define BREAKS(law, statement)                                                                     \
    do {                                                                                           \
        holes h = make_holes(a);                                                                   \
        statement;                                                                                 \
        heap_broken(a, &h.memory, law);                                                            \
    } while (0)

// The word at an offset in the heap's state.
static uint32_t *state_word(holes *h, uint32_t at) {
    return word(lm_memory_base(&h->memory), h->memory.heap_start + at);
}

// Makes a live block of 64 bytes look free.
static void mark_free(unsigned char *block) {
    *tag(block) |= TAG_FREE;
    *word(block, 64 - 8) = 64;
}

static void mark_free_in_no_index(holes *h) {
    mark_free(h->blocks[7]);
    memset(h->blocks[7], 0, 8);
    *tag(h->blocks[7] + 64) &= ~(uint32_t)TAG_FREE;
    *tag(h->blocks[7] + 64) |= TAG_PREVIOUS_FREE;
}

TEST(laws_are_seen_when_broken) {
    for (int i = 0; i < NAMES; i++) {
        const lm_allocator *a = lm_strategy_named(names[i], 0);
        BREAKS("top", *state_word(&h, 0) += 65536);
        BREAKS("block in heap", *tag(h.blocks[0]) += 1 << 20);
        BREAKS("block in heap", *tag(h.blocks[2]) &= 15);
        BREAKS("previous flag", *tag(h.blocks[2]) &= ~(uint32_t)TAG_PREVIOUS_FREE);
        BREAKS("repeated bytes", *word(h.blocks[1], 64 - 8) += 16);
        BREAKS("coalesced", *tag(h.blocks[2]) |= TAG_FREE);
        BREAKS("gap", *tag(h.blocks[0]) |= TAG_GAP);
        BREAKS("wilderness", *tag(h.blocks[8] + 64) = 0);  // where it begins
        BREAKS("wilderness", *state_word(&h, 8) -= 65536); // clean before it begins
        BREAKS("coalesced", mark_free(h.blocks[8]));       // before the wilderness
        BREAKS("free blocks in the index", mark_free_in_no_index(&h));
    }
}

static uint32_t offset(const holes *h, const unsigned char *block) { // as links have it
    return (uint32_t)(block - lm_memory_base(&h->memory)) - h->memory.heap_start;
}

TEST(laws_of_the_bins) {
    enum { MAP_AT = 12, COLUMNS_AT = 16 };
    for (int i = 2; i < NAMES; i++) { // 64 bytes: bin 6 of half_fit, row 0 and column 4 of tlsf
        const lm_allocator *a = lm_strategy_named(names[i], 0);
        BREAKS("map", *state_word(&h, MAP_AT) ^= i == 3 ? 1 << 6 : 1);
        BREAKS("bins hold their size", *word(h.blocks[5], 0) = offset(&h, h.blocks[3]));
        BREAKS("links", *word(h.blocks[5], 0) = offset(&h, h.blocks[1]));
        // Within a block, behind the last, a live one.
        BREAKS("bins hold their size", *word(h.blocks[5], 0) = offset(&h, h.blocks[1]) + 8);
        BREAKS("bins hold their size", *word(h.blocks[5], 0) = offset(&h, h.blocks[8]) + 4096);
        BREAKS("bins hold their size", *word(h.blocks[5], 0) = offset(&h, h.blocks[4]));
        BREAKS("free blocks in the index", *word(h.blocks[5], 4) += 1);
        BREAKS("free blocks in the index", *word(h.blocks[5], 4) = 1 << 30);
    }
    const lm_allocator *a = lm_strategy_named("tlsf", 0);
    BREAKS("map", *state_word(&h, COLUMNS_AT) ^= 1 << 5);
}

// Two free blocks, 3 below 5, share a bucket, and a third one is alone. Breaks a law. Returns its
// name, or NULL if there are no more numbers.
static const char *break_address_trie(holes *h, int number) {
    enum { CHILDREN = 0, LINK = 8, LARGEST = 12 };
    enum { GROUPS_AT = 20, LARGEST_AT = GROUPS_AT + 16 * 4, ROOTS_AT = LARGEST_AT + 512 * 4 };
    uint32_t *children = word(h->blocks[5], CHILDREN), *link = word(h->blocks[3], LINK);
    uint32_t bucket = (*word(h->blocks[5], LINK) - ROOTS_AT) / 4;
    uint32_t *next_root = state_word(h, ROOTS_AT + (bucket + 1) * 4);
    assert_int_equal(children[0], offset(h, h->blocks[3]));
    HEAP_BREAK("place", children[1] = children[0]; children[0] = 0; *link += 4); // the other child
    HEAP_BREAK("place", *next_root = offset(h, h->blocks[5]); *word(h->blocks[5], LINK) += 4);
    HEAP_BREAK("free blocks in the index", children[0] += 8);
    HEAP_BREAK("free blocks in the index", *link = offset(h, h->blocks[1]));
    HEAP_BREAK("index holds free blocks only", *next_root = offset(h, h->blocks[4]);
               *word(h->blocks[4], LARGEST) = 0); // a live block
    HEAP_BREAK("index holds free blocks only", children[1] = 1 << 30);
    HEAP_BREAK("largest", *word(h->blocks[3], LARGEST) += 16);
    HEAP_BREAK("largest", *state_word(h, LARGEST_AT + bucket * 4) += 16);
    HEAP_BREAK("largest", *state_word(h, GROUPS_AT + bucket / 32 * 4) = 32);
    return NULL;
}

TEST(laws_of_the_address_tries) {
    for (int i = 0; i < 2; i++) {
        const lm_allocator *a = lm_strategy_named(names[i], 0);
        const char *law = "";
        for (int number = 0; law; number++) {
            holes h = make_holes(a);
            law = break_address_trie(&h, number);
            if (law)
                heap_broken(a, &h.memory, law);
            else
                lm_memory_destroy(&h.memory);
        }
    }
}

// Ranges double where free blocks lie higher and higher, and the lowest one that fits still serves.
TEST(ranges_fold) {
    enum { HOLES = 2000 };
    const lm_allocator *a = lm_strategy_named("first_fit", 1);
    lm_memory memory = heap_started(a, 1, 8000);
    static unsigned char *holes[HOLES];
    static size_t bytes[HOLES]; // that are left of each
    for (uint32_t i = 0; i < HOLES; i++) {
        size_t large = i % 100 == 99 ? 1000000 : i * 7919 % 3000;
        assert_non_null(holes[i] = a->allocate(large, &memory));
        assert_non_null(a->allocate(12, &memory));
        bytes[i] = a->usable_size(holes[i], &memory) + 4;
    }
    for (uint32_t i = 0; i < HOLES; i++) {
        a->free(holes[i], 0, &memory);
        if (i % 100 == 50) assert_null(a->validate(&memory, NULL));
    }
    for (uint32_t round = 0; round < HOLES; round++) {
        size_t asked = 16 * (2 + round * 31 % 300);
        uint32_t lowest = 0;
        while (bytes[lowest] < asked)
            lowest++;
        assert_ptr_equal(a->allocate(asked - 4, &memory), holes[lowest]);
        size_t taken = bytes[lowest] - asked < 32 ? bytes[lowest] : asked;
        bytes[lowest] -= taken;
        holes[lowest] += taken;
        if (round % 100 == 50) assert_null(a->validate(&memory, NULL));
    }
    lm_memory_destroy(&memory);
}

// An overrun is caught by the next call that looks at the tag it hit.
TEST(overruns_trap) {
    for (int i = 0; i < NAMES; i++) {
        const lm_allocator *a = lm_strategy_named(names[i], 1);
        for (int hit = 0; hit < 3; hit++) {
            holes h = make_holes(a);
            memset(h.blocks[hit == 2 ? 6 : 2], 0xff, 64); // one tag further
            if (hit == 0) heap_traps(a, &h.memory, h.blocks[2], 0);
            if (hit == 1) HEAP_TRAPS(a->allocate(124, &h.memory));
            if (hit == 2) heap_traps(a, &h.memory, h.blocks[6], 0);
            lm_memory_destroy(&h.memory);
        }
    }
}

// Of n granules, each round of this leaves one live that cuts off n - 1 free ones, too few for the
// next round: two blocks of n are laid at the end, the first one is freed and filled again, with
// n / 2 + 1, n / 4, n / 8 … 1 granules, and all of these but the last one are freed.
TEST(half_fit_has_no_better_bound) {
    enum { ROUNDS = 200, GRANULES = 1024, LARGEST_BYTES = GRANULES * LM_BLOCK_ALIGNMENT };
    const lm_allocator *a = lm_strategy_named("half_fit", 1);
    lm_memory memory = heap_started(a, 1, 1000);
    for (int round = 0; round < ROUNDS; round++) {
        void *cut = a->allocate(LARGEST_BYTES - 4, &memory);
        void *behind = a->allocate(LARGEST_BYTES - 4, &memory), *parts[16];
        a->free(cut, 0, &memory);
        uint32_t count = 0;
        parts[count++] = a->allocate(LARGEST_BYTES / 2 + LM_BLOCK_ALIGNMENT - 4, &memory);
        assert_ptr_equal(parts[0], cut);
        for (size_t bytes = LARGEST_BYTES / 4; bytes >= LM_BLOCK_ALIGNMENT; bytes /= 2)
            parts[count++] = a->allocate(bytes - 4, &memory);
        assert_ptr_equal((char *)parts[count - 1] + LM_BLOCK_ALIGNMENT, behind);
        for (uint32_t i = 0; i + 1 < count; i++)
            a->free(parts[i], 0, &memory);
        a->free(behind, 0, &memory);
    }
    lm_census census = heap_walk(a, &memory);
    lm_demand demand = {.live_bytes = 2 * LARGEST_BYTES + (ROUNDS + 1) * LM_BLOCK_ALIGNMENT,
                        .live_blocks = ROUNDS + 16,
                        .block_bytes = LARGEST_BYTES};
    assert_int_equal(census.live_blocks, ROUNDS);
    assert_true(census.heap_bytes > ROUNDS * LARGEST_BYTES);
    assert_true(census.heap_bytes > 3 * 2 * demand.live_bytes * (1 + 10)); // o1heap's, thrice
    assert_true(census.heap_bytes <= a->heap_bytes_max(&demand));
    lm_memory_destroy(&memory);
}

TEST_MAIN(NULL, NULL)
