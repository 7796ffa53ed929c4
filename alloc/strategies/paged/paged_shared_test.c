// What the conformance suite cannot know of paged_shared: blocks that one thread allocates and
// another frees. Compiled twice: as every test, and with the strategy under ThreadSanitizer.
#include "alloc/conformance/heap.h"
#include "cli/test.h"

#include <pthread.h>
#include <string.h>

extern const lm_allocator lm_paged_shared_level0, lm_paged_shared_level1;
static const lm_allocator *const levels[] = {
    &lm_paged_shared_level1,
#ifndef LM_CHECK_LEVEL // else it is compiled in, at level 1
    &lm_paged_shared_level0,
#endif
};
static const lm_allocator *heap;

enum {
    THREADS = 4,
    SLOTS = 8192,
    STEPS = 40000,
    SIZES_MAX = 700,
    CACHE_BYTES = 16384, // what a thread keeps of a class
};

typedef struct shared {
    lm_memory memory, views[THREADS];
} shared;

static void make(shared *s, uint32_t pages, uint32_t pages_max) {
    assert_true(
        lm_memory_create(&s->memory, &(lm_memory_options){.pages = pages, .pages_max = pages_max}));
    for (uint32_t t = 0; t < THREADS; t++)
        assert_true(lm_memory_share(&s->memory, &s->views[t], t));
    assert_true(heap->start(&s->views[0]));
}

static lm_census walk(shared *s) {
    return heap_walk(heap, &s->memory);
}

// ---- One after the other -----------------------------------------------------------------------

// Whatever slab they are of, blocks freed by others serve their owner again, and nothing grows once
// the others' caches are full.
TEST(what_others_free_comes_back) {
    enum { BLOCKS = 3000 };
    static unsigned char *blocks[BLOCKS];
    shared s;
    make(&s, 1, 1000);
    uint32_t pages = 0;
    for (int round = 0; round < 20; round++) {
        for (int i = 0; i < BLOCKS; i++)
            assert_non_null(blocks[i] = heap->allocate(48, &s.views[1]));
        assert_int_equal(walk(&s).live_blocks, BLOCKS);
        if (round < 3) pages = lm_memory_pages(&s.memory); // both have freed once before
        assert_int_equal(lm_memory_pages(&s.memory), pages);
        for (int i = 0; i < BLOCKS; i++) // every second one, then the others: backwards
            heap->free(blocks[i < BLOCKS / 2 ? 2 * i : 2 * (BLOCKS - i) - 1], 48,
                       &s.views[round % 2 ? 2 : 3]);
        assert_int_equal(walk(&s).live_blocks, 0);
    }
    lm_memory_destroy(&s.memory);
}

// Blocks that thread 1 allocates and thread 2 frees, up to `kept` of which stay in its cache.
enum { BYTES = 64, KEPT = CACHE_BYTES / BYTES, IN_MESSAGE = BYTES / 4 - 2 + 1 };
static void send_blocks(shared *s, unsigned char **blocks, int kept, int sent) {
    for (int i = 0; i < kept + sent; i++)
        assert_non_null(blocks[i] = heap->allocate(BYTES, &s->views[1]));
    for (int i = 0; i < kept + sent; i++)
        heap->free(blocks[i], 0, &s->views[2]);
}

// What one frees it gets next, whosever it was.
TEST(who_frees_a_block_gets_it) {
    static unsigned char *blocks[KEPT];
    shared s;
    make(&s, 1, 1000);
    send_blocks(&s, blocks, KEPT, 0);
    for (int i = KEPT; i-- > 0;)
        assert_ptr_equal(heap->allocate(BYTES, &s.views[2]), blocks[i]);
    assert_int_equal(walk(&s).live_blocks, KEPT);
    lm_memory_destroy(&s.memory);
}

// Full messages reach the owner before it takes a new slab; one that is not full waits.
TEST(full_messages_come_back) {
    enum { MESSAGES = 5, SENT = MESSAGES * IN_MESSAGE + 1, ALLOCATED = 2000 };
    static unsigned char *blocks[KEPT + SENT];
    shared s;
    make(&s, 1, 1000);
    send_blocks(&s, blocks, KEPT, SENT);
    assert_int_equal(walk(&s).live_blocks, 0);
    int found[KEPT + SENT] = {0};
    for (int i = 0; i < ALLOCATED; i++) {
        const unsigned char *block = heap->allocate(BYTES, &s.views[1]);
        for (int j = 0; j < KEPT + SENT; j++)
            found[j] += blocks[j] == block;
    }
    for (int j = 0; j < KEPT + SENT; j++)
        assert_int_equal(found[j], j >= KEPT && j < KEPT + SENT - 1);
    assert_int_equal(walk(&s).live_blocks, ALLOCATED);
    lm_memory_destroy(&s.memory);
}

// A thread that runs out of memory gives back what it keeps of others, and then they have it.
TEST(caches_are_given_back_at_the_end) {
    static unsigned char *blocks[KEPT + 1];
    shared s;
    make(&s, 1, 2);
    send_blocks(&s, blocks, KEPT, 1);
    assert_null(heap->allocate(3 * LM_PAGE_BYTES, &s.views[2]));
    assert_int_equal(walk(&s).live_blocks, 0);
    int live = 0, found = 0;
    for (unsigned char *block; (block = heap->allocate(BYTES, &s.views[1])) != NULL; live++)
        for (int j = 0; j < KEPT + 1; j++)
            found += blocks[j] == block;
    assert_int_equal(found, KEPT + 1);
    assert_int_equal(walk(&s).live_blocks, live);
    lm_memory_destroy(&s.memory);
}

// Without memory for a heap, what a thread frees is sent at once.
TEST(a_thread_without_a_heap_frees) {
    shared s;
    make(&s, 1, 1);
    unsigned char *block = NULL, *last = NULL;
    uint64_t live = 0;
    for (size_t bytes = LM_PAGE_BYTES; bytes >= BYTES; bytes /= 2)
        for (; (block = heap->allocate(bytes, &s.views[0])) != NULL; last = block)
            live++;
    heap->free(last, 0, &s.views[2]);
    assert_int_equal(walk(&s).live_blocks, live - 1);
    assert_ptr_equal(heap->allocate(BYTES, &s.views[0]), last);
    lm_memory_destroy(&s.memory);
}

TEST(large_blocks_are_anyones) {
    shared s;
    make(&s, 1, 1000);
    unsigned char *block = heap->allocate(100000, &s.views[1]);
    memset(block, 7, 100000);
    block = heap->resize(block, 300000, &s.views[2]);
    assert_non_null(block);
    assert_int_equal(block[99999], 7);
    heap->free(block, 300000, &s.views[3]);
    assert_int_equal(walk(&s).live_blocks, 0);
    block = heap->allocate(500, &s.views[1]);
    memset(block, 9, 500);
    block = heap->resize(block, 5000, &s.views[2]); // the copy is another thread's
    assert_int_equal(block[499], 9);
    assert_int_equal(walk(&s).live_blocks, 1);
    lm_memory_destroy(&s.memory);
}

// ---- At once -----------------------------------------------------------------------------------

typedef struct player {
    shared *s;
    uint32_t thread;
    unsigned char **slots; // common to all, exchanged atomically
} player;

static uint32_t next_random(uint32_t *state) {
    *state = *state * 1664525 + 1013904223;
    return *state >> 8;
}

// A block begins with its size and is filled with a mark of its own.
static unsigned char *make_block(lm_memory *m, uint32_t random) {
    uint32_t size = 8 + (random % 64 ? random % SIZES_MAX : 20000 + random % 50000);
    unsigned char *block = heap->allocate(size, m);
    if (!block) return NULL;
    memcpy(block, &size, sizeof size);
    memset(block + sizeof size, (unsigned char)size, size - sizeof size);
    return block;
}
// Wherever close to 4 GiB a heap starts, its first table has room for what it says.
TEST(the_table_ends_where_the_memory_does) {
    for (uint32_t left = 72 * 4096; left < 160 * 4096; left += 4096 + 208) {
        uint32_t start = UINT32_MAX - left + 1;
        lm_memory m;
        lm_memory_options options = {
            .pages = start / LM_PAGE_BYTES, .pages_max = LM_PAGES_MAX, .heap_start = start};
        assert_true(lm_memory_create(&m, &options));
        assert_true(heap->start(&m));
        for (size_t size = 16; heap->allocate(size, &m); size = size == 16 ? 4100 : size - 12) {
            const char *broken = heap->validate(&m, NULL);
            if (broken) fail_msg("%u bytes before the end: %s", left, broken);
        }
        lm_memory_destroy(&m);
    }
}

static void free_block(lm_memory *m, unsigned char *block) {
    uint32_t size;
    memcpy(&size, block, sizeof size);
    for (uint32_t i = sizeof size; i < size; i++)
        if (block[i] != (unsigned char)size) abort(); // cmocka is of one thread
    memset(block, 0, size);
    heap->free(block, size, m);
}

// Puts blocks where others take them: most are freed by another thread than the one they are of.
static void *play(void *argument) {
    player *p = argument;
    lm_memory *m = &p->s->views[p->thread];
    uint32_t random = p->thread + 1;
    for (uint32_t step = 0; step < STEPS; step++) {
        bool fills = step / 5000 % 2 == 0 || next_random(&random) % 8 == 0;
        unsigned char *block = fills ? make_block(m, next_random(&random)) : NULL;
        unsigned char **slot = &p->slots[next_random(&random) % SLOTS];
        block = __atomic_exchange_n(slot, block, __ATOMIC_ACQ_REL);
        if (block) free_block(m, block);
    }
    return NULL;
}

TEST(threads_exchange_blocks) {
    static unsigned char *slots[SLOTS];
    shared s;
    memset(slots, 0, sizeof slots);
    make(&s, 1, 4000);
    player players[THREADS];
    pthread_t threads[THREADS];
    for (uint32_t t = 0; t < THREADS; t++) {
        players[t] = (player){&s, t, slots};
        assert_int_equal(pthread_create(&threads[t], NULL, play, &players[t]), 0);
    }
    for (uint32_t t = 0; t < THREADS; t++)
        pthread_join(threads[t], NULL);
    uint64_t live = 0;
    for (uint32_t i = 0; i < SLOTS; i++)
        live += slots[i] != NULL;
    assert_int_equal(walk(&s).live_blocks, live);
    for (uint32_t i = 0; i < SLOTS; i++)
        if (slots[i]) free_block(&s.views[0], slots[i]);
    assert_int_equal(walk(&s).live_blocks, 0);
    heap->reset(&s.memory);
    assert_int_equal(walk(&s).live_blocks, 0);
    assert_non_null(heap->allocate(10, &s.views[3]));
    lm_memory_destroy(&s.memory);
}

// ---- Misuse and laws ---------------------------------------------------------------------------

// Wherever the block is: in the cache of who freed it, or on its way.
TEST(a_second_free_from_elsewhere_traps) {
    if (heap->check_level == 0) skip();
    static unsigned char *blocks[KEPT];
    shared s;
    make(&s, 1, 100);
    for (uint32_t second = 0; second < 2 * THREADS; second++) {
        if (second == THREADS) send_blocks(&s, blocks, KEPT, 0);
        unsigned char *block = heap->allocate(BYTES, &s.views[1]);
        assert_non_null(heap->allocate(BYTES, &s.views[1]));
        HEAP_TRAPS(heap->free(block, 0, &s.views[2]);
                   heap->free(block, 0, &s.views[second % THREADS]));
    }
    lm_memory_destroy(&s.memory);
}

// A link in a cache, in a message that is being filled, and in one that was sent.
TEST(broken_lists_are_seen) {
    static unsigned char *blocks[KEPT + IN_MESSAGE];
    static const struct {
        int sent, broken;
        const char *law;
    } cases[] = {{0, 0, "caches"}, {1, KEPT, "mail"}, {IN_MESSAGE, KEPT, "mail"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        shared s;
        make(&s, 1, 100);
        send_blocks(&s, blocks, KEPT, cases[i].sent);
        walk(&s);
        memset(blocks[cases[i].broken], 0x11, 4);
        heap_broken(heap, &s.memory, cases[i].law);
    }
}

// A block in a list twice is counted as free twice, or makes a circle.
TEST(a_block_in_a_list_twice_is_seen) {
    static unsigned char *blocks[3];
    shared s;
    make(&s, 1, 100);
    send_blocks(&s, blocks, 3, 0);
    walk(&s);
    memcpy(blocks[0], blocks[2], 4); // the last one's link now follows the first one too
    heap_broken(heap, &s.memory, "caches");
}

int main(void) {
    int failed = 0;
    for (size_t i = 0; i < sizeof levels / sizeof *levels; i++) {
        heap = levels[i];
        failed += cmocka_run_group_tests_name(i ? "level 0" : "level 1", test_list, NULL, NULL);
    }
    return failed;
}
