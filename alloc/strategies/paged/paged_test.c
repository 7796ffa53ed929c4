// What the conformance suite cannot know of paged: how slabs start and grow, what a class rents,
// what a small heap reclaims, where the table goes, what is known to be clean, and that each law is
// seen when it is broken. All of it on a tiny geometry, which is compiled in here; what is told of
// real sizes, on the registered ones.
#include "alloc/conformance/heap.h"
#include "cli/test.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define LM_CHECK_LEVEL     2
#define PAGE_SHIFT         8
#define SMALL_MAX_BYTES    1024
#define SMALL_HEAP_BYTES   (1 << 17)
#define TABLE_MEMORY_BYTES (1 << 16)
#include "alloc/strategies/paged/paged_state.inc.h"

#include "alloc/strategies/paged/page_table_moves.inc.h"

#include "alloc/strategies/paged/page_runs.inc.h"

#include "alloc/strategies/paged/paged_alone.inc.h"

#include "alloc/strategies/paged/paged.inc.h"

LM_STRATEGY(tiny, paged, .idea = "paged with pages of 256 bytes",
            .bound = "a run and a gap for each block", .capabilities = PAGED_CAPABILITIES,
            .allocate_dirty = paged_allocate_dirty, .heap_bytes_max = paged_heap_bytes_max);

#include "alloc/registry.h"

static const lm_allocator *const tiny = &LM_TABLE(tiny);
static const char *const registered[] = {"paged", "paged_2k"};

// The descriptor of a block's run.
static page *run_of(const lm_memory *m, const void *block) {
    return tag_slab(m, tag_of(m, lm_offset(m, block)));
}

static void assert_whole(lm_memory *m) {
    heap_walk(tiny, m);
}

// A heap that is no longer small.
static lm_memory large_heap(void) {
    lm_memory m = heap_started(tiny, 1, 1000);
    assert_non_null(tiny->allocate(SMALL_HEAP_BYTES, &m));
    assert_false(paged_is_small(&m));
    return m;
}

// ---- Slabs -------------------------------------------------------------------------------------

TEST(classes_cover_all_sizes) {
    assert_int_equal(CLASSES, class_of(SMALL_MAX_BYTES) + 1);
    for (uint32_t size = 1; size <= SMALL_MAX_BYTES; size++) {
        uint32_t class = class_of(size), bytes = class_bytes(class);
        assert_true(bytes >= size && (class == 0 || class_bytes(class - 1) < size));
        assert_true(bytes - size <= 15 || 4 * (bytes - size) < size);
    }
    assert_int_equal(runs_bin(PAGES_MAX) + 1, RUNS_BINS);
}

// A class rents half a page's worth from the class above, and then has a slab of its own.
TEST(a_class_rents_before_it_buys) {
    lm_memory m = heap_started(tiny, 1, 10);
    for (int i = 0; i < 17; i++) // four slabs and a block
        assert_non_null(tiny->allocate(64, &m));
    uint32_t rented = 0;
    const page *p;
    while (p = run_of(&m, tiny->allocate(40, &m)), p->class == class_of(64))
        rented++;
    assert_int_equal(p->class, class_of(48));
    assert_int_equal(rented, RENT_BYTES / 48 + 1);
    assert_whole(&m);
    lm_memory_destroy(&m);
}

// With no larger class to rent from, large blocks get runs of their own, and small ones a slab.
TEST(large_classes_rent_runs) {
    lm_memory m = large_heap();
    const void *first = tiny->allocate(600, &m), *second = tiny->allocate(600, &m);
    assert_int_equal(run_of(&m, first)->kind, PAGE_LARGE);
    assert_int_equal(run_of(&m, first)->length, 3);
    assert_int_equal(run_of(&m, second)->kind, PAGE_SLAB);
    assert_int_equal(run_of(&m, tiny->allocate(100, &m))->kind, PAGE_SLAB);
    lm_memory_destroy(&m);
    m = heap_started(tiny, 1, 10); // a small heap goes on renting where little is lost
    for (int i = 0; i < 5; i++)
        assert_int_equal(run_of(&m, tiny->allocate(1000, &m))->kind, PAGE_LARGE);
    assert_whole(&m);
    lm_memory_destroy(&m);
}

TEST(slabs_double_up_to_enough_blocks) {
    lm_memory m = large_heap();
    uint32_t lengths[64], count = 0;
    const page *before = NULL;
    for (int i = 0; i < 300; i++) {
        const page *p = run_of(&m, tiny->allocate(256, &m));
        if (p->kind == PAGE_SLAB && p != before) lengths[count++] = p->length;
        before = p;
    }
    uint32_t all = 0, most = 0; // a smaller one is taken before the memory grows
    for (uint32_t i = 0; i < count; i++) {
        assert_true(lengths[i] <= all + 1 && lengths[i] <= 64);
        if (i < 6) assert_int_equal(lengths[i], 1 << i);
        if (lengths[i] > most) most = lengths[i];
        all += lengths[i];
    }
    assert_int_equal(most, 64);
    assert_whole(&m);
    lm_memory_destroy(&m);
}

TEST(aligned_blocks_are_not_rented) {
    lm_memory m = heap_started(tiny, 1, 10);
    tiny->allocate(80, &m);
    for (size_t alignment = 32; alignment <= 256; alignment *= 2)
        for (int i = 0; i < 10; i++) {
            void *block = tiny->allocate_aligned(alignment, 60, &m);
            assert_int_equal(lm_offset(&m, block) % alignment, 0);
            assert_true(tiny->usable_size(block, &m) <= tiny->block_bytes_max(60, alignment));
        }
    assert_whole(&m);
    lm_memory_destroy(&m);
}

// ---- What is done before the memory grows ------------------------------------------------------

// Fills what is free but for slabs, so that the next run needs growth.
static void fill_runs(lm_memory *m) {
    lm_memory_refuse(m, LM_REFUSE_ALL);
    const page_runs *r = runs_of(m);
    for (uint32_t pages = r->end - r->first; pages > 0; pages--)
        while (runs_take_free(m, pages, UINT32_MAX))
            ;
    lm_memory_refuse(m, 0);
}

TEST(idle_slabs_are_reclaimed) {
    lm_memory m = large_heap();
    void *blocks[40];
    for (int i = 0; i < 40; i++)
        blocks[i] = tiny->allocate(32, &m);
    for (int i = 0; i < 40; i++)
        tiny->free(blocks[i], 0, &m);
    assert_true(heap_of(&m)->slab[class_of(32)] != slab_none(&m)); // one is kept
    fill_runs(&m);
    uint32_t pages = lm_memory_pages(&m);
    assert_non_null(tiny->allocate(250, &m)); // its page serves
    assert_int_equal(lm_memory_pages(&m), pages);
    assert_true(heap_of(&m)->slab[class_of(32)] == slab_none(&m));
    assert_whole(&m);
    lm_memory_destroy(&m);
}

// A small heap takes back the pages of a slab that hold no block yet, and takes a larger block,
// before it grows; one that is large does neither.
TEST(only_a_small_heap_is_stingy) {
    for (int large = 0; large < 2; large++) {
        lm_memory m = large ? large_heap() : heap_started(tiny, 1, 10);
        heap *h = heap_of(&m);
        slab_make(&m, class_of(1024), runs_take_free(&m, 32, 1));
        h->rents[class_of(640)] = h->rents[class_of(32)] = UINT16_MAX;
        slab_carve(&m, slab_current(&m, h, class_of(1024)));
        slab_make(&m, class_of(64), runs_take_free(&m, 1, 1));
        tiny->allocate(1024, &m);
        tiny->allocate(64, &m);
        fill_runs(&m);
        uint32_t pages = lm_memory_pages(&m);
        assert_non_null(tiny->allocate(4096, &m)); // as many as the slab has left
        assert_int_equal(lm_memory_pages(&m) > pages, large);
        const page *slab = slab_current(&m, heap_of(&m), class_of(1024));
        assert_int_equal(slab->length, large ? 32 : 4 * 4);
        assert_whole(&m);
        fill_runs(&m);
        pages = lm_memory_pages(&m);
        const page *p = run_of(&m, tiny->allocate(32, &m));
        assert_int_equal(p->class, class_of(large ? 32 : 64));
        assert_int_equal(lm_memory_pages(&m) > pages, large);
        assert_whole(&m);
        lm_memory_destroy(&m);
    }
}

// Refused growth is made up for by a smaller slab, then a larger block, before NULL.
TEST(refused_growth_finds_what_there_is) {
    lm_memory m = large_heap();
    heap *h = heap_of(&m);
    memset(h->rents, 255, sizeof h->rents);
    h->pages[class_of(256)] = 8;
    slab_make(&m, class_of(320), runs_take_free(&m, 5, 1)); // four blocks
    tiny->allocate(320, &m);
    uint32_t n = runs_take_free(&m, 1, 1);
    fill_runs(&m);
    runs_release(&m, runs_of(&m), n, 1);
    lm_memory_refuse(&m, LM_REFUSE_ALL);
    const page *p = run_of(&m, tiny->allocate(256, &m));
    assert_true(p->class == class_of(256) && p->length == 1);
    for (int i = 0; i < 3; i++)
        assert_int_equal(run_of(&m, tiny->allocate(256, &m))->class, class_of(320));
    assert_null(tiny->allocate(256, &m));
    assert_null(tiny->allocate(SMALL_MAX_BYTES + 1, &m));
    tiny->free(lm_at(&m, n << PAGE_SHIFT), 0, &m);
    assert_int_equal(run_of(&m, tiny->allocate(200, &m))->class, class_of(200)); // reclaimed
    assert_null(tiny->allocate(256, &m));
    assert_whole(&m);
    lm_memory_destroy(&m);
}

TEST(many_sizes_used_once_stay_small) {
    for (int i = 0; i < 2; i++) {
        const lm_allocator *a = lm_strategy_named(registered[i], 1);
        lm_memory m = heap_started(a, 1, 100);
        uint32_t bytes = 0;
        for (uint32_t class = 0; class < 36; class ++) {
            assert_non_null(a->allocate(class_bytes(class), &m));
            bytes += class_bytes(class);
        }
        assert_true(lm_memory_pages(&m) <= 2 * bytes / LM_PAGE_BYTES + 1);
        lm_memory_destroy(&m);
    }
}

// No block is larger than stated, whatever its class rents, and a resize at most doubles that.
TEST(blocks_are_as_large_as_stated) {
    for (int i = 0; i < 3; i++) {
        const lm_allocator *a = i < 2 ? lm_strategy_named(registered[i], 0) : tiny;
        lm_memory m = heap_started(a, 1, 2000);
        for (size_t size = 0; size < 40000; size += 1 + size / 16) {
            for (size_t alignment = 1; alignment <= LM_PAGE_BYTES; alignment *= 2) {
                void *block = a->allocate_aligned(alignment, size, &m);
                assert_true(a->usable_size(block, &m) <= a->block_bytes_max(size, alignment));
                if (alignment % 3 == 1) a->free(block, 0, &m);
            }
            void *block = a->resize(a->allocate(size, &m), size + size / 2, &m);
            assert_true(a->usable_size(block, &m) <= 2 * a->block_bytes_max(size + size / 2, 16));
            block = a->resize(block, size / 3, &m);
            assert_true(a->usable_size(block, &m) <= 2 * a->block_bytes_max(size / 3, 16));
        }
        assert_null(a->validate(&m, NULL));
        lm_memory_destroy(&m);
    }
}

// ---- Large blocks ------------------------------------------------------------------------------

// Somebody takes the page behind a block, where it is free.
static void crowd(const lm_memory *m, uint32_t block) {
    page_runs *r = runs_of(m);
    uint32_t n = block >> PAGE_SHIFT, end = n + runs_page(m, r, n)->length;
    uint32_t room = runs_room_behind(m, r, end);
    if (!room) return;
    runs_remove(m, r, end);
    runs_claim(m, r, end, 1, PAGE_LARGE);
    if (room > 1) runs_insert(m, r, end + 1, room - 1);
}

TEST(a_block_that_grows_by_steps_seldom_moves) {
    lm_memory m = heap_started(tiny, 1, 1000);
    uint32_t moves = 0, block = lm_offset(&m, tiny->allocate(2000, &m));
    for (uint32_t size = 2100; size < 100000; size += 100) {
        crowd(&m, block);
        uint32_t to = lm_offset(&m, tiny->resize(lm_at(&m, block), size, &m));
        moves += to != block;
        block = to;
    }
    assert_in_range(moves, 10, 33); // log(50) / log(9/8)
    assert_whole(&m);
    lm_memory_destroy(&m);
}

TEST(a_growing_block_takes_what_is_there) {
    lm_memory m = heap_started(tiny, 1, 1);
    unsigned char *block = tiny->allocate(2000, &m);
    memset(block, 7, 2000);
    assert_non_null(tiny->allocate(1100, &m)); // in the way
    const page_runs *r = runs_of(&m);
    uint32_t rest = runs_page(&m, r, r->end - 1)->length << PAGE_SHIFT;
    block = tiny->resize(block, rest, &m); // an eighth more is not there
    assert_non_null(block);
    assert_int_equal(tiny->usable_size(block, &m), rest);
    assert_true(block[0] == 7 && block[1999] == 7);
    assert_ptr_equal(tiny->resize(block, 300, &m), block); // gives back in place
    assert_int_equal(tiny->usable_size(block, &m), 512);
    assert_whole(&m);
    lm_memory_destroy(&m);
}

// ---- The table ---------------------------------------------------------------------------------

static uint32_t table_length(const lm_memory *m) {
    uint32_t length;
    runs_table_run(m, runs_of(m), &length);
    return length;
}

// Grows until the table has moved twice, while somebody else grows between, every growth moves the
// base, and some are refused.
TEST(the_table_moves_among_foreign_pages) {
    lm_memory m = heap_started(tiny, 1, 1000);
    m.moving = true;
    uint32_t blocks[2000], count = 0, moves = 0, refused = 0;
    for (; moves < 3 && count < 2000; count++) {
        if (count % 7 == 0) assert_true(lm_memory_grow_foreign(&m, 1));
        if (count % 3 == 0) lm_memory_refuse(&m, 1);
        uint32_t table = table_offset(&runs_of(&m)->table);
        void *block = tiny->allocate(3000 + count, &m);
        if (!block) {
            assert_int_equal(table_offset(&runs_of(&m)->table), table);
            refused++;
            block = tiny->allocate(3000 + count, &m);
        }
        moves += table_offset(&runs_of(&m)->table) != table;
        memset(block, (int)count, 3000 + count);
        blocks[count] = lm_offset(&m, block);
        assert_whole(&m);
    }
    assert_true(moves == 3 && refused > 0);
    for (uint32_t i = 0; i < count; i++) {
        const unsigned char *block = lm_at(&m, blocks[i]);
        for (uint32_t at = 0; at < 3000 + i; at++)
            assert_int_equal(block[at], i & 255);
    }
    assert_int_equal(table_offset(&runs_of(&m)->table) % PAGE_BYTES, 0);
    tiny->reset(&m);
    assert_whole(&m);
    lm_memory_destroy(&m);
}

TEST(reset_brings_the_table_to_the_front) {
    lm_memory m = heap_started(tiny, 1, 1000);
    assert_non_null(tiny->allocate(1000000, &m));
    assert_true(table_length(&m) > 0);
    tiny->reset(&m);
    const page_runs *r = runs_of(&m);
    assert_int_equal(table_offset(&r->table) >> PAGE_SHIFT, r->first);
    lm_census census;
    assert_null(tiny->validate(&m, &census));
    assert_int_equal(census.free_blocks, 1);
    lm_memory_destroy(&m);
}

// ---- Clean memory ------------------------------------------------------------------------------

// How many of a block's system pages have been touched.
static uint32_t resident(const lm_memory *m, const void *block, size_t size) {
    size_t system = (size_t)sysconf(_SC_PAGESIZE), count = size / system;
    unsigned char *pages = malloc(count + 1);
    uint32_t touched = 0;
    assert_int_equal(mincore(lm_at(m, lm_round_up(lm_offset(m, block), (uint32_t)system)),
                             (count - 1) * system, pages),
                     0);
    for (size_t i = 0; i + 1 < count; i++)
        touched += pages[i] & 1;
    free(pages);
    return touched;
}

static bool zero(const unsigned char *block, size_t bytes) {
    return block[0] == 0 && memcmp(block, block + 1, bytes - 1) == 0;
}

TEST(fresh_memory_is_not_cleared) {
    enum { BYTES = 1 << 20 };
    for (int i = 0; i < 3; i++) {
        const lm_allocator *a = i < 2 ? lm_strategy_named(registered[i], 0) : tiny;
        lm_memory m = heap_started(a, 1, 100);
        memset(a->allocate(40000, &m), 1, 40000);
        void *block = a->allocate_zeroed(BYTES, &m);
        assert_true(resident(&m, block, BYTES) < 16);
        assert_true(zero(block, BYTES));
        lm_memory_destroy(&m);
    }
}

TEST(dirty_memory_is_cleared) {
    enum { BYTES = 30000 };
    lm_memory m;
    assert_true(lm_memory_create(&m, &(lm_memory_options){.pages = 1, .pages_max = 100}));
    memset(lm_memory_base(&m), 0xaa, LM_PAGE_BYTES); // before the start
    assert_true(tiny->start(&m));
    unsigned char *block = tiny->allocate_zeroed(BYTES, &m);
    assert_true(zero(block, BYTES));
    memset(block, 0xbb, BYTES);
    tiny->free(block, 0, &m);
    block = tiny->allocate_zeroed(3 * BYTES, &m); // its start is dirty, its end new
    assert_true(zero(block, 3 * BYTES));
    memset(block, 0xcc, 3 * BYTES);
    tiny->reset(&m);
    block = tiny->allocate_zeroed(2 * BYTES, &m);
    assert_true(zero(block, 2 * BYTES));
    assert_null(tiny->allocate_zeroed((size_t)1 << 31, &m));
    assert_whole(&m);
    lm_memory_destroy(&m);
}

// ---- Laws --------------------------------------------------------------------------------------

typedef struct scene {
    lm_memory memory;
    page_runs *runs;
    heap *h;
    page *slab, *partial, *large, *free_run;
} scene;

static void split_free_run(scene *s) {
    uint32_t n = runs_number(&s->memory, s->runs, s->free_run), length = s->free_run->length;
    runs_remove(&s->memory, s->runs, n);
    runs_insert(&s->memory, s->runs, n, 1);
    runs_insert(&s->memory, s->runs, n + 1, length - 1);
}

// Breaks a law. Returns its name, or NULL if there are no more numbers.
static const char *break_law(scene *s, int number) {
    lm_memory *m = &s->memory;
    HEAP_BREAK("runs", s->large->length = 0);
    HEAP_BREAK("runs", s->large->length = PAGES_MAX);
    HEAP_BREAK("runs", s->large->kind = 77);
    HEAP_BREAK("runs", s->slab->class = CLASSES);
    HEAP_BREAK("runs", s->slab->back += sizeof(page));
    HEAP_BREAK("runs", s->free_run[s->free_run->length - 1].length++);
    HEAP_BREAK("coalesced", split_free_run(s));
    HEAP_BREAK("bins", s->runs->bin_map[0] ^= 1u << 30);
    HEAP_BREAK("bins", runs_remove(m, s->runs, runs_number(m, s->runs, s->free_run)));
    HEAP_BREAK("bins", s->free_run->prev = 5);
    HEAP_BREAK("bins", s->free_run->next = s->runs->end);
    HEAP_BREAK("clean", s->runs->clean = s->runs->first);
    HEAP_BREAK("table", s->large->kind = PAGE_TABLE);
    HEAP_BREAK("slab-count", s->slab->used++);
    HEAP_BREAK("slab-links", *paged_link(m, s->partial->free) = s->runs->first << PAGE_SHIFT);
    HEAP_BREAK("slab-links", s->partial->free += 8);
    HEAP_BREAK("slab-links", *paged_link(m, s->partial->free) = s->partial->free);
    HEAP_BREAK("partial", s->h->partial[s->partial->class] = 0);
    HEAP_BREAK("partial", slab_partial_insert(m, s->h, s->slab));
    return NULL;
}

TEST(each_broken_law_is_seen) {
    const char *law = "";
    for (int number = 0; law; number++) {
        scene s = {.memory = heap_started(tiny, 1, 10)};
        lm_memory *m = &s.memory;
        void *first = tiny->allocate(64, m), *large = tiny->allocate(5000, m), *last = NULL;
        while (!last || run_of(m, last) == run_of(m, first))
            last = tiny->allocate(64, m);
        tiny->free(first, 0, m);
        s.runs = runs_of(m);
        s.h = heap_of(m);
        s.slab = run_of(m, last);
        s.partial = run_of(m, lm_at(m, lm_offset(m, first)));
        s.large = run_of(m, large);
        s.free_run = runs_page(m, s.runs, s.runs->end - 1);
        s.free_run -= s.free_run->length - 1;
        assert_true(s.free_run->kind == PAGE_FREE && s.free_run->length > 1);
        assert_whole(m);
        law = break_law(&s, number);
        if (law)
            heap_broken(tiny, m, law);
        else
            lm_memory_destroy(m);
    }
}

// ---- Misuse that the suite cannot place --------------------------------------------------------

// Every page of a large block that lies where slabs, blocks and a table were before.
TEST(interior_pages_are_no_blocks) {
    for (int round = 0; round < 2; round++) {
        lm_memory m;
        assert_true(lm_memory_create(&m, &(lm_memory_options){.pages = 1, .pages_max = 10}));
        memset(lm_memory_base(&m), PAGE_LARGE, LM_PAGE_BYTES);
        assert_true(tiny->start(&m));
        uint32_t blocks[40];
        for (uint32_t i = 0; i < 40; i++)
            blocks[i] = lm_offset(&m, tiny->allocate(i % 3 ? 600 : 1500, &m));
        for (uint32_t i = 0; i < 40 && round == 0; i++)
            tiny->free(lm_at(&m, blocks[i]), 0, &m);
        if (round) tiny->reset(&m);
        unsigned char *block = tiny->allocate(20000, &m);
        assert_true(lm_offset(&m, block) <= blocks[39]);
        for (uint32_t at = PAGE_BYTES; at < 20000; at += PAGE_BYTES)
            heap_traps(tiny, &m, block + at, 0);
        heap_traps(tiny, &m, block + 16, 0);
        assert_whole(&m);
        lm_memory_destroy(&m);
    }
}

// The same where the table lies on ground that was dirty before the start.
TEST(interior_pages_of_new_memory_are_no_blocks) {
    lm_memory m;
    assert_true(lm_memory_create(&m, &(lm_memory_options){.pages = 3, .pages_max = 10}));
    memset(lm_memory_base(&m), PAGE_LARGE, 3 * LM_PAGE_BYTES);
    assert_true(tiny->start(&m));
    unsigned char *block = tiny->allocate(250000, &m);
    for (uint32_t at = PAGE_BYTES; at < 250000; at += 50 * PAGE_BYTES)
        heap_traps(tiny, &m, block + at, 0);
    lm_memory_destroy(&m);
}

// A live block may hold by chance what a free one says of itself.
TEST(a_guard_by_chance_is_no_double_free) {
    lm_memory m = heap_started(tiny, 1, 10);
    void *block = tiny->allocate(64, &m), *other = tiny->allocate(64, &m);
    tiny->free(other, 0, &m);
    *guard_word(&m, lm_offset(&m, block)) = ~lm_offset(&m, block);
    tiny->free(block, 0, &m);
    heap_traps(tiny, &m, block, 0);
    assert_whole(&m);
    lm_memory_destroy(&m);
}

TEST_MAIN(NULL, NULL)
