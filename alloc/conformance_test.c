// The contract of alloc/allocator.h, as a suite that every strategy passes at every check level:
// conformance_test STRATEGY LEVEL. What a strategy says it cannot do is skipped, visibly.
#include "alloc/registry.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { SLOTS = 512, FOREIGN_MAX = 64, EDGE_BYTES = 2048 };

static const lm_allocator *subject;

static bool can(lm_capability capability) {
    return subject->capabilities & capability;
}

static lm_memory make(uint32_t pages, uint32_t pages_max, uint32_t heap_start) {
    lm_memory memory;
    assert_true(lm_memory_create(
        &memory,
        &(lm_memory_options){.pages = pages, .pages_max = pages_max, .heap_start = heap_start}));
    return memory;
}

static lm_memory started(uint32_t pages, uint32_t pages_max) {
    lm_memory memory = make(pages, pages_max, 0);
    assert_true(subject->start(&memory));
    return memory;
}

static lm_census walk(lm_memory *memory) {
    lm_census census;
    const char *broken = subject->validate(memory, &census);
    if (broken) fail_msg("law broken: %s", broken);
    return census;
}

static uint64_t random_next(uint64_t *state) { // splitmix64
    uint64_t z = *state += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}
static uint32_t random_below(uint64_t *state, uint32_t bound) {
    return (uint32_t)(random_next(state) % bound);
}
static uint32_t random_size(uint64_t *state) {
    static const uint32_t bounds[] = {17, 65, 65, 300, 300, 1100, 5000, 70000};
    uint32_t size = random_below(state, bounds[random_below(state, 8)]);
    return random_below(state, 300) ? size : size * 5;
}

// Writes or checks a pattern of a block's own at both its ends, and over the whole of a small one.
static void fill(unsigned char *block, size_t bytes, uint8_t mark) {
    for (size_t i = 0; i < bytes; i++) {
        if (i == EDGE_BYTES && bytes > 2 * EDGE_BYTES) i = bytes - EDGE_BYTES;
        block[i] = (unsigned char)(mark + i);
    }
}
static bool filled(const unsigned char *block, size_t bytes, size_t filled_bytes, uint8_t mark) {
    for (size_t i = 0; i < bytes; i++) {
        if (i == EDGE_BYTES && filled_bytes > 2 * EDGE_BYTES) i = filled_bytes - EDGE_BYTES;
        if (i < bytes && block[i] != (unsigned char)(mark + i)) return false;
    }
    return true;
}
static bool zero(const unsigned char *block, size_t bytes) {
    for (size_t i = 0; i < bytes; i++)
        if (block[i]) return false;
    return true;
}

// The model: what is live, by offset, known without asking the strategy. Foreign pages are in it as
// blocks that nobody frees.
typedef struct extent {
    uint64_t offset, usable;
    size_t size, alignment;
    uint8_t mark;
    bool foreign;
} extent;

typedef struct model {
    lm_memory memory;
    extent live[SLOTS + FOREIGN_MAX]; // in order of their offsets
    uint32_t count, foreign;
    uint64_t random;
    bool growth_refused; // perhaps, by one of our own refusals
    unsigned episode, step;
} model;

#define HOLDS(m, law)                                                                              \
    do {                                                                                           \
        if (!(law)) fail_msg("%s (episode %u, step %u)", #law, (m)->episode, (m)->step);           \
    } while (0)

static unsigned char *at(model *m, const extent *e) {
    return lm_memory_base(&m->memory) + e->offset;
}

static extent *insert(model *m, extent e) {
    uint32_t i = m->count;
    while (i > 0 && m->live[i - 1].offset > e.offset)
        i--;
    HOLDS(m, i == 0 || m->live[i - 1].usable <= e.offset - m->live[i - 1].offset);
    HOLDS(m, i == m->count || e.usable <= m->live[i].offset - e.offset);
    memmove(&m->live[i + 1], &m->live[i], (m->count - i) * sizeof e);
    m->live[i] = e;
    m->count++;
    return &m->live[i];
}
static extent forget(model *m, uint32_t i) {
    extent e = m->live[i];
    memmove(&m->live[i], &m->live[i + 1], (--m->count - i) * sizeof e);
    return e;
}

// Enters a block that was returned: aligned, inside, disjoint from all others, and then filled.
static void enter(model *m, void *block, size_t size, size_t alignment, uint8_t mark) {
    uint64_t end = (uint64_t)lm_memory_pages(&m->memory) * LM_PAGE_BYTES;
    uint64_t offset = (uint64_t)((unsigned char *)block - lm_memory_base(&m->memory));
    uint64_t usable = subject->usable_size(block, &m->memory);
    HOLDS(m, offset >= m->memory.heap_start && offset <= end && usable <= end - offset);
    HOLDS(m, usable >= size);
    HOLDS(m, offset % (alignment > LM_BLOCK_ALIGNMENT ? alignment : LM_BLOCK_ALIGNMENT) == 0);
    extent *e = insert(m, (extent){offset, usable ? usable : 1, size, alignment, mark, false});
    fill(at(m, e), usable, mark);
}

// A refusal is due only where growth is: the memory is nearly full, or growth was refused.
static void refused(model *m, size_t size, size_t alignment, uint32_t pages_before) {
    uint64_t left = (uint64_t)(m->memory.pages_max - pages_before) * LM_PAGE_BYTES;
    HOLDS(m, m->growth_refused || left < (uint64_t)size + alignment + 3 * LM_PAGE_BYTES);
    HOLDS(m, lm_memory_pages(&m->memory) == pages_before);
}

static void step_allocate(model *m) {
    size_t size = random_size(&m->random), alignment = LM_BLOCK_ALIGNMENT;
    uint32_t pages = lm_memory_pages(&m->memory), kind = random_below(&m->random, 10);
    uint8_t mark = (uint8_t)random_next(&m->random);
    void *block;
    if (kind == 0) {
        alignment = (size_t)1 << random_below(&m->random, 17);
        block = subject->allocate_aligned(alignment, size, &m->memory);
    } else if (kind < 3) {
        block = subject->allocate_zeroed(size, &m->memory);
        HOLDS(m, !block || zero(block, size));
    } else {
        block = subject->allocate(size, &m->memory);
    }
    if (!block) {
        refused(m, size, alignment, pages);
        return;
    }
    size_t least =
        size > alignment ? size : alignment; // an aligned block may take all up to the next
    HOLDS(m, subject->usable_size(block, &m->memory) <= 2 * least + 64);
    enter(m, block, size, alignment, mark);
}

static void step_free(model *m, uint32_t i) {
    extent e = forget(m, i);
    HOLDS(m, filled(at(m, &e), e.usable == 1 ? 0 : e.usable, e.usable, e.mark));
    subject->free(at(m, &e), random_below(&m->random, 2) ? e.size : 0, &m->memory);
}

static void step_resize(model *m, uint32_t i) {
    extent e = forget(m, i);
    size_t size = random_size(&m->random);
    if (random_below(&m->random, 3) == 0) size = e.size + random_below(&m->random, 40);
    uint32_t pages = lm_memory_pages(&m->memory);
    void *old = at(m, &e);
    void *block = e.alignment > LM_BLOCK_ALIGNMENT
                      ? subject->resize_aligned(old, size, e.alignment, &m->memory)
                      : subject->resize(old, size, &m->memory);
    if (!block) {
        refused(m, size, e.alignment, pages);
        HOLDS(m, subject->usable_size(at(m, &e), &m->memory) == e.usable);
        HOLDS(m, filled(at(m, &e), e.usable, e.usable, e.mark));
        insert(m, e);
        return;
    }
    HOLDS(m, filled(block, size < e.size ? size : e.size, e.usable, e.mark));
    enter(m, block, size, e.alignment, e.mark);
}

// Somebody else's pages, which are watched as the blocks are.
static void step_foreign(model *m) {
    uint32_t before = lm_memory_pages(&m->memory), pages = 1 + random_below(&m->random, 2);
    if (m->foreign == FOREIGN_MAX || !lm_memory_grow_foreign(&m->memory, pages)) return;
    m->foreign++;
    extent *e = insert(m, (extent){.offset = (uint64_t)before * LM_PAGE_BYTES,
                                   .usable = (uint64_t)pages * LM_PAGE_BYTES,
                                   .mark = (uint8_t)random_next(&m->random),
                                   .foreign = true});
    fill(at(m, e), e->usable, e->mark);
}

// The heap goes on elsewhere, as a copy of its bytes.
static void step_copy(model *m) {
    lm_memory other;
    HOLDS(m, lm_memory_create(&other, &(lm_memory_options){.pages = m->memory.pages,
                                                           .pages_max = m->memory.pages_max,
                                                           .heap_start = m->memory.heap_start,
                                                           .moving = m->memory.moving}));
    other.refusals = m->memory.refusals;
    memcpy(lm_memory_base(&other), lm_memory_base(&m->memory),
           (size_t)m->memory.pages * LM_PAGE_BYTES);
    lm_memory_destroy(&m->memory);
    m->memory = other;
}

static void check_census(model *m) {
    lm_census census;
    const char *broken = subject->validate(&m->memory, &census);
    if (broken) fail_msg("law broken: %s (episode %u, step %u)", broken, m->episode, m->step);
    uint64_t usable = 0, foreign = 0, blocks = m->count - m->foreign;
    for (uint32_t i = 0; i < m->count; i++)
        *(m->live[i].foreign ? &foreign : &usable) += m->live[i].usable;
    uint64_t end = (uint64_t)lm_memory_pages(&m->memory) * LM_PAGE_BYTES;
    HOLDS(m, census.live_bytes >= usable && census.live_blocks >= blocks);
    HOLDS(m, !can(LM_FREES_BLOCKS) || census.live_blocks == blocks);
    HOLDS(m, census.live_bytes + census.free_bytes <= census.heap_bytes);
    HOLDS(m, census.heap_bytes <= end - m->memory.heap_start - foreign);
}

static void check_contents(model *m) {
    for (uint32_t i = 0; i < m->count; i++) {
        const extent *e = &m->live[i];
        HOLDS(m, filled(at(m, e), e->usable == 1 ? 0 : e->usable, e->usable, e->mark));
    }
}

static void step_reset(model *m) {
    check_contents(m);
    subject->reset(&m->memory);
    uint32_t kept = 0;
    for (uint32_t i = 0; i < m->count; i++)
        if (m->live[i].foreign) m->live[kept++] = m->live[i];
    m->count = kept;
    lm_census census = walk(&m->memory);
    HOLDS(m, census.live_blocks == 0 && census.live_bytes == 0);
}

// What an episode's world does besides.
typedef struct world {
    unsigned episodes, steps, walk_every, resets_in_1000;
    uint32_t slots, pages_max;
    bool moving, refusing, foreign, copying;
} world;

static void step(model *m, const world *w) {
    if (w->refusing && random_below(&m->random, 40) == 0) {
        m->growth_refused = random_below(&m->random, 2);
        lm_memory_refuse(&m->memory, m->growth_refused ? 1 + random_below(&m->random, 4) : 0);
    }
    if (w->foreign && random_below(&m->random, 60) == 0) step_foreign(m);
    if (w->copying && m->step == w->steps / 2) step_copy(m);
    if (w->moving && random_below(&m->random, 1000) == 0) HOLDS(m, lm_memory_move(&m->memory));
    uint32_t blocks = m->count - m->foreign, kind = random_below(&m->random, 100);
    // Tides: episodes fill and drain, so that the heap is seen both near empty and near full.
    uint32_t appetite = m->step / 512 % 2 ? 35 : 60;
    if (blocks == w->slots && !can(LM_FREES_BLOCKS)) {
        step_reset(m);
    } else if (random_below(&m->random, 1000) < w->resets_in_1000) {
        step_reset(m);
    } else if (blocks == 0 || (kind < appetite && blocks < w->slots)) {
        step_allocate(m);
    } else {
        uint32_t i = random_below(&m->random, m->count);
        if (m->live[i].foreign) return;
        if (kind % 3 == 0)
            step_resize(m, i);
        else if (can(LM_FREES_BLOCKS) || kind % 3 == 1)
            step_free(m, i);
    }
}

static void play_episode(model *m, const world *w) {
    static const uint32_t starts[] = {16, 1024, 60000 / 16 * 16, 65520, 65536, 3 * 65536 + 16};
    uint32_t start = starts[random_below(&m->random, 6)], pages = random_below(&m->random, 7);
    HOLDS(m, lm_memory_create(&m->memory, &(lm_memory_options){.pages = pages,
                                                               .pages_max = w->pages_max,
                                                               .heap_start = start,
                                                               .moving = w->moving}));
    HOLDS(m, subject->start(&m->memory));
    m->count = m->foreign = 0;
    m->growth_refused = false;
    for (m->step = 0; m->step < w->steps; m->step++) {
        step(m, w);
        if (m->step % w->walk_every == 0) check_census(m);
        if (m->step % 256 == 0) check_contents(m);
    }
    check_contents(m);
    for (uint32_t i = m->count; i-- > 0;)
        if (!m->live[i].foreign) step_free(m, i);
    check_census(m);
    lm_memory_destroy(&m->memory);
}

static void play_world(const world *w) {
    static model m;
    for (unsigned episode = 0; episode < w->episodes; episode++) {
        m.random = episode * 7919 + 1;
        m.episode = episode;
        play_episode(&m, w);
    }
}

static void random_small(void **state) {
    (void)state;
    play_world(&(world){.episodes = 50,
                        .steps = 4000,
                        .walk_every = 1,
                        .slots = 60,
                        .pages_max = 40,
                        .resets_in_1000 = 1,
                        .copying = true});
}
static void random_large(void **state) {
    (void)state;
    play_world(&(world){.episodes = 2,
                        .steps = 50000,
                        .walk_every = 1000,
                        .slots = SLOTS,
                        .pages_max = 300,
                        .copying = true});
}
static void random_moving(void **state) {
    (void)state;
    play_world(&(world){.episodes = 40,
                        .steps = 1000,
                        .walk_every = 1,
                        .slots = 100,
                        .pages_max = 60,
                        .moving = true});
}
static void random_refused(void **state) {
    (void)state;
    play_world(&(world){.episodes = 40,
                        .steps = 2000,
                        .walk_every = 1,
                        .slots = 100,
                        .pages_max = 50,
                        .refusing = true,
                        .moving = true,
                        .resets_in_1000 = 1});
}
static void random_foreign(void **state) {
    (void)state;
    play_world(&(world){.episodes = 40,
                        .steps = 2000,
                        .walk_every = 1,
                        .slots = 100,
                        .pages_max = 150,
                        .foreign = true,
                        .resets_in_1000 = 2});
}
static void random_everything(void **state) {
    (void)state;
    play_world(&(world){.episodes = 15,
                        .steps = 2000,
                        .walk_every = 1,
                        .slots = 100,
                        .pages_max = 70,
                        .foreign = true,
                        .moving = true,
                        .refusing = true,
                        .copying = true,
                        .resets_in_1000 = 1});
}

// The same calls give the same bytes wherever the memory lies: nothing in a heap is an address.
static void bytes_are_free_of_the_base(void **state) {
    (void)state;
    static model models[2];
    for (int i = 0; i < 2; i++) {
        model *m = &models[i];
        *m = (model){.memory = started(1, 100), .random = 5};
        for (; m->step < 5000; m->step++)
            step(m, &(world){.slots = 200});
    }
    assert_ptr_not_equal(lm_memory_base(&models[0].memory), lm_memory_base(&models[1].memory));
    assert_int_equal(models[0].memory.pages, models[1].memory.pages);
    assert_memory_equal(lm_memory_base(&models[0].memory), lm_memory_base(&models[1].memory),
                        (size_t)models[0].memory.pages * LM_PAGE_BYTES);
    for (int i = 0; i < 2; i++)
        lm_memory_destroy(&models[i].memory);
}

// The largest block that is served without growth, to 16 bytes; the heap is empty before and after.
static uint32_t largest(lm_memory *memory) {
    lm_memory_refuse(memory, LM_REFUSE_ALL);
    uint32_t low = 0, high = UINT32_MAX;
    while (high - low > 16) {
        uint32_t size = low + (high - low) / 2;
        void *block = subject->allocate(size, memory);
        *(block ? &low : &high) = size;
        subject->free(block, 0, memory);
    }
    lm_memory_refuse(memory, 0);
    return low;
}

static void all_that_is_freed_comes_back(void **state) {
    (void)state;
    if (!can(LM_FREES_BLOCKS)) skip();
    static model m;
    m = (model){.memory = started(20, 200), .random = 11};
    uint32_t before = largest(&m.memory), pages = 0;
    for (m.episode = 0; m.episode < 20; m.episode++) {
        m.random = 11;
        for (m.step = 0; m.step < 3000; m.step++)
            step(&m, &(world){.slots = 300});
        while (m.count)
            step_free(&m, random_below(&m.random, m.count));
        lm_census census = walk(&m.memory);
        HOLDS(&m, census.live_blocks == 0 && census.live_bytes == 0);
        HOLDS(&m, largest(&m.memory) >= before);
        if (m.episode == 0) pages = lm_memory_pages(&m.memory);
        HOLDS(&m, lm_memory_pages(&m.memory) <= pages + pages / 4);
    }
    lm_memory_destroy(&m.memory);
}

static void starts_anywhere(void **state) {
    (void)state;
    static const struct {
        uint32_t pages, heap_start;
    } places[] = {{0, 16},    {0, 65520}, {1, 65520}, {1, 65536},          {1, 5 * 65536},
                  {2, 65520}, {2, 61440}, {3, 16},    {65536, 4294901760u}};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        lm_memory memory = make(places[i].pages, LM_PAGES_MAX, places[i].heap_start);
        assert_true(subject->start(&memory));
        walk(&memory);
        unsigned char *block = subject->allocate(1000, &memory);
        assert_non_null(block);
        assert_true(block - lm_memory_base(&memory) >= places[i].heap_start);
        memset(block, 0xff, 1000);
        assert_int_equal(walk(&memory).live_blocks, 1);
        lm_memory_destroy(&memory);
    }
}

static void start_is_refused_and_tried_again(void **state) {
    (void)state;
    lm_memory memory = make(0, 10, 0);
    lm_memory_refuse(&memory, 2);
    assert_false(subject->start(&memory));
    assert_false(subject->start(&memory));
    assert_int_equal(lm_memory_pages(&memory), 0);
    assert_true(subject->start(&memory));
    assert_non_null(subject->allocate(1, &memory));
    lm_memory_destroy(&memory);
    memory = make(1, 1, 65536);
    assert_false(subject->start(&memory));
    assert_int_equal(lm_memory_pages(&memory), 1);
    lm_memory_destroy(&memory);
}

static void empty_blocks_are_unique(void **state) {
    (void)state;
    lm_memory memory = started(1, 10);
    void *blocks[100];
    for (int i = 0; i < 100; i++) {
        blocks[i] = i % 2 ? subject->allocate(0, &memory) : subject->allocate_zeroed(0, &memory);
        assert_non_null(blocks[i]);
        for (int j = 0; j < i; j++)
            assert_ptr_not_equal(blocks[i], blocks[j]);
    }
    void *block = subject->resize(subject->allocate(100, &memory), 0, &memory);
    assert_non_null(block);
    assert_int_equal(walk(&memory).live_blocks, 101);
    subject->free(block, 0, &memory);
    subject->free(NULL, 0, &memory);
    subject->free(NULL, 10, &memory);
    lm_memory_destroy(&memory);
}

static void assert_unchanged(lm_memory *memory, const lm_census *before, uint32_t pages) {
    lm_census after = walk(memory);
    assert_memory_equal(before, &after, sizeof after);
    assert_int_equal(lm_memory_pages(memory), pages);
}

static void absurd_sizes_are_refused(void **state) {
    (void)state;
    static const uint32_t maxima[] = {2, 1000, LM_PAGES_MAX};
    const size_t sizes[] = {SIZE_MAX,
                            SIZE_MAX - 1,
                            SIZE_MAX - 15,
                            SIZE_MAX - 20,
                            SIZE_MAX - 31,
                            SIZE_MAX - 65535,
                            SIZE_MAX - 65552,
                            (size_t)1 << 63,
                            ((size_t)1 << 32) + 100,
                            ((size_t)1 << 32),
                            UINT32_MAX,
                            UINT32_MAX - 15,
                            UINT32_MAX - 19,
                            UINT32_MAX - 20,
                            UINT32_MAX - 31,
                            ((size_t)1 << 33) - 1};
    for (size_t m = 0; m < 3; m++) {
        lm_memory memory = started(1, maxima[m]);
        unsigned char *block = subject->allocate_aligned(64, 100, &memory);
        fill(block, 100, 3);
        lm_census census = walk(&memory);
        uint32_t pages = lm_memory_pages(&memory);
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
            assert_null(subject->allocate(sizes[i], &memory));
            assert_null(subject->allocate_zeroed(sizes[i], &memory));
            assert_null(subject->resize(block, sizes[i], &memory));
            for (size_t alignment = 1; alignment <= LM_PAGE_BYTES; alignment *= 2) {
                assert_null(subject->allocate_aligned(alignment, sizes[i], &memory));
                assert_null(subject->resize_aligned(block, sizes[i], alignment, &memory));
            }
            assert_unchanged(&memory, &census, pages);
        }
        assert_true(filled(block, 100, 100, 3));
        lm_memory_destroy(&memory);
    }
}

static void a_failed_resize_keeps_the_block(void **state) {
    (void)state;
    lm_memory memory = started(2, 30);
    unsigned char *block = subject->allocate(1000, &memory);
    assert_non_null(subject->allocate(1000, &memory));
    fill(block, 1000, 9);
    lm_census census = walk(&memory);
    uint32_t pages = lm_memory_pages(&memory);
    size_t usable = subject->usable_size(block, &memory);
    lm_memory_refuse(&memory, LM_REFUSE_ALL);
    for (size_t size = 200000; size < 2000000; size += 100000) {
        assert_null(subject->resize(block, size, &memory));
        assert_null(subject->resize_aligned(block, size, 16, &memory));
        assert_unchanged(&memory, &census, pages);
        assert_int_equal(subject->usable_size(block, &memory), usable);
    }
    assert_true(filled(block, 1000, 1000, 9));
    lm_memory_destroy(&memory);
}

static void every_alignment(void **state) {
    (void)state;
    lm_memory memory = started(1, 2000);
    for (int round = 0; round < 3; round++) {
        for (size_t alignment = 1; alignment <= LM_PAGE_BYTES; alignment *= 2) {
            for (size_t size = 0; size < 40000; size = size * 3 + 1) {
                unsigned char *block = subject->allocate_aligned(alignment, size, &memory);
                assert_non_null(block);
                assert_int_equal((uintptr_t)block % alignment, 0);
                assert_int_equal((uintptr_t)block % LM_BLOCK_ALIGNMENT, 0);
                fill(block, size, 77);
                assert_non_null(subject->allocate(1 + size % 50, &memory)); // in the way
                block = subject->resize_aligned(block, size * 2 + 30, alignment, &memory);
                assert_non_null(block);
                assert_int_equal((uintptr_t)block % alignment, 0);
                assert_true(filled(block, size, size, 77));
                if (size % 2) subject->free(block, size * 2 + 30, &memory);
            }
        }
        walk(&memory);
    }
    lm_memory_destroy(&memory);
}

static void zeroed_on_dirty_ground(void **state) {
    (void)state;
    lm_memory memory = started(8, 8);
    for (int round = 0; round < 20; round++) {
        for (size_t size = 1; size < 100000; size = size * 2 + 5) {
            unsigned char *block = subject->allocate_zeroed(size, &memory);
            assert_non_null(block);
            assert_true(zero(block, size));
            memset(block, 0xee, subject->usable_size(block, &memory));
            subject->free(block, size, &memory);
        }
        subject->reset(&memory);
    }
    lm_memory_destroy(&memory);
}

// A block at the end of the memory grows there, and shrinks where it is.
static void resize_keeps_its_place(void **state) {
    (void)state;
    if (!can(LM_RESIZES_IN_PLACE)) skip();
    lm_memory memory = started(1, 100);
    memory.moving = true;
    unsigned char *block = subject->allocate(100000, &memory);
    uint64_t offset = (uint64_t)(block - lm_memory_base(&memory));
    fill(block, 100, 1);
    for (size_t size = 150000; size < 450000; size += size / 2) {
        block = subject->resize(block, size, &memory);
        assert_non_null(block);
        assert_true((uint64_t)(block - lm_memory_base(&memory)) == offset);
        assert_true(filled(block, 100, 100, 1));
    }
    assert_true(lm_memory_pages(&memory) <= 450000 / LM_PAGE_BYTES + 3);
    block = subject->resize(block, 70000, &memory);
    assert_true((uint64_t)(block - lm_memory_base(&memory)) == offset);
    if (can(LM_FREES_BLOCKS)) assert_true(walk(&memory).free_bytes > 250000);
    lm_memory_destroy(&memory);
}

// Takes all up to 2^32, in halving sizes; only the edges of the blocks are touched.
static void take_all(lm_memory *memory) {
    uint64_t highest = 0;
    for (size_t size = (size_t)1 << 30; size > 0; size /= 2) {
        unsigned char *block;
        while ((block = subject->allocate(size, memory)) != NULL) {
            block[0] = block[size - 1] = 0x5a;
            uint64_t end = (uint64_t)(block - lm_memory_base(memory)) + size;
            highest = end > highest ? end : highest;
        }
    }
    assert_int_equal(lm_memory_pages(memory), LM_PAGES_MAX);
    assert_true(highest <= (uint64_t)1 << 32);
    assert_true(highest > ((uint64_t)1 << 32) - LM_PAGE_BYTES);
}

static void ends_at_two_to_the_32(void **state) {
    enum { SLACK_BYTES = 1 << 26 }; // what a heap of 4 GiB may need for itself: 1.6 %
    (void)state;
    lm_memory memory = started(1, LM_PAGES_MAX);
    for (int round = 0; round < 2; round++) {
        take_all(&memory);
        walk(&memory);
        subject->reset(&memory);
        assert_int_equal(walk(&memory).live_blocks, 0);
    }
    if (can(LM_SHARES_THREADS)) { // its table stays where other threads may look, and splits the rest
        lm_memory_destroy(&memory);
        return;
    }
    size_t half = (size_t)1 << 31;
    unsigned char *block = subject->allocate(half, &memory);
    unsigned char *rest = subject->allocate(half - SLACK_BYTES, &memory);
    assert_non_null(block);
    assert_non_null(rest);
    block[half - 1] = rest[half - SLACK_BYTES - 1] = 1;
    subject->free(block, half, &memory);
    subject->free(rest, 0, &memory);
    walk(&memory);
    if (can(LM_FREES_BLOCKS)) {
        block = subject->allocate(2 * half - SLACK_BYTES, &memory);
        assert_non_null(block);
        block[2 * half - SLACK_BYTES - 1] = 1;
        subject->free(block, 0, &memory);
    }
    lm_memory_destroy(&memory);
}

// Wherever the heap starts, and whatever it does for itself while it grows.
static void nothing_fails_while_the_memory_can_grow(void **state) {
    (void)state;
    uint64_t random = 11;
    for (uint32_t round = 0; round < 400; round++) {
        lm_memory memory = make(1, LM_PAGES_MAX, 16 + 16 * random_below(&random, 512));
        assert_true(subject->start(&memory));
        for (int i = 0; i < 60; i++)
            assert_non_null(subject->allocate(1 + random_below(&random, 300000), &memory));
        lm_memory_destroy(&memory);
    }
}

// Small blocks cost at most as much again, in pages.
static void pages_follow_the_need(void **state) {
    (void)state;
    lm_memory memory = started(1, 1000);
    for (int i = 0; i < 10000; i++)
        assert_non_null(subject->allocate(100, &memory));
    assert_true(lm_memory_pages(&memory) <= 2 * 10000 * 100 / LM_PAGE_BYTES);
    uint32_t pages = lm_memory_pages(&memory);
    assert_non_null(subject->allocate(10 * LM_PAGE_BYTES, &memory));
    assert_true(lm_memory_pages(&memory) <= pages + 12);
    lm_memory_destroy(&memory);
}

// Misuse, each in a process of its own, which must die of the trap.
typedef struct victim {
    unsigned char *block, *next;
    lm_memory *memory;
} victim;

static void expect_trap(void (*misuse)(victim *)) {
    if (subject->check_level == 0) skip();
    lm_memory memory = started(1, 10);
    victim v = {.memory = &memory};
    subject->allocate(40, &memory);
    v.block = subject->allocate_zeroed(200, &memory);
    v.next = subject->allocate(200, &memory);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        signal(SIGILL, SIG_DFL); // cmocka's handlers would make a failure of it
        signal(SIGTRAP, SIG_DFL);
        misuse(&v);
        _exit(0);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    assert_true(WTERMSIG(status) == SIGILL || WTERMSIG(status) == SIGTRAP);
    lm_memory_destroy(&memory);
}

static void free_twice(victim *v) {
    subject->free(v->block, 0, v->memory);
    subject->free(v->block, 0, v->memory);
}
static void free_twice_merged(victim *v) {
    subject->free(v->block, 0, v->memory);
    subject->free(v->next, 0, v->memory);
    subject->free(v->next, 0, v->memory);
}
static void free_foreign(victim *v) {
    _Alignas(16) unsigned char foreign[64] = {0};
    subject->free(foreign + 16, 0, v->memory);
}
static void free_beyond_32_bits(victim *v) {
    subject->free((void *)((uintptr_t)v->block + ((uintptr_t)1 << 32)), 0, v->memory);
}
static void free_before_the_heap(victim *v) {
    subject->free(lm_memory_base(v->memory), 0, v->memory);
}
static void free_misaligned(victim *v) {
    subject->free(v->block + 8, 0, v->memory);
}
static void free_with_too_large_a_size(victim *v) {
    size_t usable = subject->usable_size(v->block, v->memory);
    subject->free(v->block, usable + 1, v->memory);
}
static void resize_after_free(victim *v) {
    subject->free(v->block, 0, v->memory);
    subject->resize(v->block, 300, v->memory);
}
static void usable_size_after_free(victim *v) {
    subject->free(v->block, 0, v->memory);
    subject->usable_size(v->block, v->memory);
}

#define TRAP_TEST(misuse)                                                                          \
    static void traps_##misuse(void **state) {                                                     \
        (void)state;                                                                               \
        expect_trap(misuse);                                                                       \
    }
TRAP_TEST(free_twice)
TRAP_TEST(free_twice_merged)
TRAP_TEST(free_foreign)
TRAP_TEST(free_beyond_32_bits)
TRAP_TEST(free_before_the_heap)
TRAP_TEST(free_misaligned)
TRAP_TEST(free_with_too_large_a_size)
TRAP_TEST(resize_after_free)
TRAP_TEST(usable_size_after_free)

static int run(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(starts_anywhere),
        cmocka_unit_test(start_is_refused_and_tried_again),
        cmocka_unit_test(empty_blocks_are_unique),
        cmocka_unit_test(absurd_sizes_are_refused),
        cmocka_unit_test(a_failed_resize_keeps_the_block),
        cmocka_unit_test(every_alignment),
        cmocka_unit_test(zeroed_on_dirty_ground),
        cmocka_unit_test(resize_keeps_its_place),
        cmocka_unit_test(nothing_fails_while_the_memory_can_grow),
        cmocka_unit_test(pages_follow_the_need),
        cmocka_unit_test(bytes_are_free_of_the_base),
        cmocka_unit_test(all_that_is_freed_comes_back),
        cmocka_unit_test(random_small),
        cmocka_unit_test(random_large),
        cmocka_unit_test(random_moving),
        cmocka_unit_test(random_refused),
        cmocka_unit_test(random_foreign),
        cmocka_unit_test(random_everything),
        cmocka_unit_test(ends_at_two_to_the_32),
        cmocka_unit_test(traps_free_twice),
        cmocka_unit_test(traps_free_twice_merged),
        cmocka_unit_test(traps_free_foreign),
        cmocka_unit_test(traps_free_beyond_32_bits),
        cmocka_unit_test(traps_free_before_the_heap),
        cmocka_unit_test(traps_free_misaligned),
        cmocka_unit_test(traps_free_with_too_large_a_size),
        cmocka_unit_test(traps_resize_after_free),
        cmocka_unit_test(traps_usable_size_after_free),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(int argc, char **argv) {
    int level = argc == 3 ? atoi(argv[2]) : -1;
    if (level >= 0 && level < LM_CHECK_LEVELS) subject = lm_strategy_named(argv[1], level);
    if (subject) return run();
    fprintf(stderr, "usage: conformance_test STRATEGY LEVEL\n");
    return 2;
}
