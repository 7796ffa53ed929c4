// What the conformance suite cannot know of paged_shared: blocks that one thread allocates and
// another frees. Compiled twice: as every test, and with the strategy under ThreadSanitizer.
#include "alloc/allocator.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

extern const lm_allocator lm_paged_shared_level1;
static const lm_allocator *const heap = &lm_paged_shared_level1;

enum { THREADS = 4, SLOTS = 256, STEPS = 40000, SIZES_MAX = 700 };

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
    lm_census census;
    const char *broken = heap->validate(&s->memory, &census);
    if (broken) fail_msg("law broken: %s", broken);
    return census;
}

// ---- One after the other -----------------------------------------------------------------------

// Whatever slab they are of, blocks freed by others serve their owner again, and nothing grows.
static void what_others_free_comes_back(void **state) {
    (void)state;
    enum { BLOCKS = 3000 };
    static unsigned char *blocks[BLOCKS];
    shared s;
    make(&s, 1, 1000);
    uint32_t pages = 0;
    for (int round = 0; round < 20; round++) {
        for (int i = 0; i < BLOCKS; i++)
            assert_non_null(blocks[i] = heap->allocate(48, &s.views[1]));
        assert_int_equal(walk(&s).live_blocks, BLOCKS);
        if (round == 0) pages = lm_memory_pages(&s.memory);
        assert_int_equal(lm_memory_pages(&s.memory), pages);
        for (int i = 0; i < BLOCKS; i++) // every second one, then the others: backwards
            heap->free(blocks[i < BLOCKS / 2 ? 2 * i : 2 * (BLOCKS - i) - 1], 48,
                       &s.views[round % 2 ? 2 : 3]);
        assert_int_equal(walk(&s).live_blocks, 0);
    }
    lm_memory_destroy(&s.memory);
}

// One block of each full slab, by mail: exactly these are handed out next.
static void full_slabs_send_mail(void **state) {
    (void)state;
    enum { SLABS = 8 };
    shared s;
    make(&s, 1, 1000);
    unsigned char *freed[SLABS], *first = NULL;
    uint32_t a_slab = 0;
    for (int slab = 0; slab < SLABS;) { // 4 KiB of blocks of 64
        unsigned char *block = heap->allocate(64, &s.views[1]);
        if (!first || block < first || block >= first + 4096) {
            first = block;
            if (a_slab++ > 0) freed[slab++] = block;
        }
    }
    while ((uintptr_t)(heap->allocate(64, &s.views[1])) % 4096 != 4096 - 64)
        ; // the last slab is full too
    for (int slab = 0; slab < SLABS; slab++)
        heap->free(freed[slab], 0, &s.views[2]);
    uint64_t live = walk(&s).live_blocks;
    for (int i = 0; i < SLABS; i++) {
        unsigned char *block = heap->allocate(64, &s.views[1]);
        bool found = false;
        for (int slab = 0; slab < SLABS; slab++)
            found |= freed[slab] == block;
        assert_true(found);
    }
    assert_int_equal(walk(&s).live_blocks, live + SLABS);
    lm_memory_destroy(&s.memory);
}

static void large_blocks_are_anyones(void **state) {
    (void)state;
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
        bool fills = step / 5000 % 2 == 0 || next_random(&random) % 2;
        unsigned char *block = fills ? make_block(m, next_random(&random)) : NULL;
        unsigned char **slot = &p->slots[next_random(&random) % SLOTS];
        block = __atomic_exchange_n(slot, block, __ATOMIC_ACQ_REL);
        if (block) free_block(m, block);
    }
    return NULL;
}

static void threads_exchange_blocks(void **state) {
    (void)state;
    static unsigned char *slots[SLOTS];
    shared s;
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

static void a_second_free_from_elsewhere_traps(void **state) {
    (void)state;
    shared s;
    make(&s, 1, 100);
    for (uint32_t second = 0; second < THREADS; second++) {
        unsigned char *block = heap->allocate(100, &s.views[1]);
        assert_non_null(heap->allocate(100, &s.views[1]));
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            signal(SIGILL, SIG_DFL);
            signal(SIGTRAP, SIG_DFL);
            heap->free(block, 0, &s.views[2]);
            heap->free(block, 0, &s.views[second]);
            _exit(0);
        }
        int status = 0;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status));
        assert_true(WTERMSIG(status) == SIGILL || WTERMSIG(status) == SIGTRAP);
    }
    lm_memory_destroy(&s.memory);
}

static void a_remote_list_that_leaves_its_slab_is_seen(void **state) {
    (void)state;
    shared s;
    make(&s, 1, 100);
    unsigned char *block = heap->allocate(100, &s.views[1]);
    assert_non_null(heap->allocate(100, &s.views[1]));
    heap->free(block, 0, &s.views[2]);
    walk(&s);
    memset(block, 0x11, 4);
    assert_string_equal(heap->validate(&s.memory, NULL), "slab-links");
    lm_memory_destroy(&s.memory);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_others_free_comes_back),
        cmocka_unit_test(full_slabs_send_mail),
        cmocka_unit_test(large_blocks_are_anyones),
        cmocka_unit_test(threads_exchange_blocks),
        cmocka_unit_test(a_second_free_from_elsewhere_traps),
        cmocka_unit_test(a_remote_list_that_leaves_its_slab_is_seen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
