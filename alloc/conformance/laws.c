// The contract, one law a test: what every call promises, on heaps made for it.
#include "alloc/conformance/model.h"
#include "alloc/conformance/rounds.h"

#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

// The same calls give the same bytes wherever the memory lies: nothing in a heap is an address.
static void bytes_are_free_of_the_base(void **state) {
    static model models[2];
    for (int i = 0; i < 2; i++) {
        model *m = &models[i];
        model_start(m, make(1, 100, 0), 5);
        for (; m->step < 5000; m->step++)
            model_step(m, &(model_options){.blocks = 200});
    }
    assert_ptr_not_equal(lm_memory_base(&models[0].memory), lm_memory_base(&models[1].memory));
    require_that(relocatable, models[0].memory.pages, ==, models[1].memory.pages);
    size_t bytes = (size_t)models[0].memory.pages * LM_PAGE_BYTES, at = 0;
    const unsigned char *bases[] = {lm_memory_base(&models[0].memory),
                                    lm_memory_base(&models[1].memory)};
    while (at < bytes && bases[0][at] == bases[1][at])
        at++;
    require_as(relocatable, at == bytes, "the byte at offset %zu differs between two bases", at);
    for (int i = 0; i < 2; i++)
        lm_memory_destroy(&models[i].memory);
}

// The largest block that is served without growth, to 16 bytes; the heap is empty before and after.
static uint32_t largest(lm_memory *memory) {
    lm_memory_refuse(memory, LM_REFUSE_ALL);
    uint32_t low = 0, high = UINT32_MAX;
    while (high - low > 16) {
        uint32_t size = low + (high - low) / 2;
        void *block = tested->allocate(size, memory);
        *(block ? &low : &high) = size;
        if (block) tested->free(block, 0, memory);
    }
    lm_memory_refuse(memory, 0);
    return low;
}

// A heap that serves nothing is as large and as whole as it says: what the census counts as free
// is nearly all of it, and the average free block can be had without growth.
static void assert_whole(lm_memory *memory) {
    lm_census census = walk(memory);
    require_that(merges, census.live_blocks, ==, 0);
    require_that(merges, census.live_bytes, ==, 0);
    require_that(merges, census.free_blocks, >, 0);
    require_that(merges, census.heap_bytes - census.free_bytes, <=, census.heap_bytes / 8 + 16384);
    lm_memory_refuse(memory, LM_REFUSE_ALL);
    size_t average = size_within(census.free_bytes / census.free_blocks);
    void *block = tested->allocate(average, memory);
    require(merges, block);
    tested->free(block, average, memory);
    lm_memory_refuse(memory, 0);
    require_that(merges, walk(memory).live_blocks, ==, 0);
}

// The same requests again and again need no more memory; but what a strategy learns in the first
// episodes, how large its slabs are to be, may cost it as much again.
static void all_that_is_freed_comes_back(void **state) {
    enum { LEARNT = 15, EPISODES = 24 };
    if (!can(LM_MERGES)) skip();
    static model m;
    model_start(&m, make(20, 200, 0), 11);
    uint32_t before = largest(&m.memory), first = 0, pages = 0;
    assert_whole(&m.memory);
    for (m.episode = 0; m.episode < EPISODES; m.episode++) {
        m.random = 11;
        for (m.step = 0; m.step < 3000; m.step++)
            model_step(&m, &(model_options){.blocks = 300});
        while (model_blocks(&m))
            model_free(&m, model_block(&m));
        assert_whole(&m.memory);
        uint32_t after = largest(&m.memory);
        require_that(merges, after, >=, before);
        require_that(merges, after, >=, walk(&m.memory).heap_bytes / 4);
        if (m.episode == 0) first = lm_memory_pages(&m.memory);
        if (m.episode == LEARNT) pages = lm_memory_pages(&m.memory);
        require_that(merges, lm_memory_pages(&m.memory), <=,
                     (m.episode <= LEARNT ? 2 * first : pages));
    }
    lm_memory_destroy(&m.memory);
}

// What never merges serves at least the same requests again, in whatever order they were freed.
static void the_same_again_needs_no_growth(void **state) {
    if (!can(LM_FREES_BLOCKS) || can(LM_MERGES)) skip();
    lm_memory memory = started(1, 1000);
    void *blocks[MODEL_BLOCKS_MAX];
    uint64_t order = 3;
    for (int round = 0; round < 10; round++) {
        uint64_t random = 12;
        for (uint32_t i = 0; i < MODEL_BLOCKS_MAX; i++) {
            size_t alignment = (size_t)1 << random_below(&random, 8);
            uint32_t size = random_below(&random, 16u << random_below(&random, 13));
            blocks[i] = tested->allocate_aligned(alignment, size, &memory);
            require(reuse, blocks[i]);
        }
        require_that(reuse, walk(&memory).live_blocks, ==, MODEL_BLOCKS_MAX);
        lm_memory_refuse(&memory, LM_REFUSE_ALL);
        for (uint32_t left = MODEL_BLOCKS_MAX; left > 0; left--) {
            uint32_t i = random_below(&order, left);
            tested->free(blocks[i], 0, &memory);
            blocks[i] = blocks[left - 1];
        }
        require_that(reuse, walk(&memory).live_blocks, ==, 0);
    }
    lm_memory_destroy(&memory);
}

// The same between somebody else's pages.
static void freed_between_foreign_pages_comes_back(void **state) {
    if (!can(LM_MERGES)) skip();
    static model m;
    model_start(&m, make(2, 200, 0), 4);
    for (; m.step < 1500; m.step++)
        model_step(&m, &(model_options){.blocks = 200, .foreign = true});
    while (model_blocks(&m)) {
        const oracle_extent *block = model_block(&m);
        if (block) model_free(&m, block);
    }
    model_check_contents(&m);
    assert_whole(&m.memory);
    uint64_t heap_bytes = walk(&m.memory).heap_bytes;
    tested->reset(&m.memory);
    assert_whole(&m.memory);
    require_that(merges, walk(&m.memory).heap_bytes, ==, heap_bytes);
    model_check_contents(&m);
    lm_memory_destroy(&m.memory);
}

// A block takes of the heap what block_bytes_max says, after a resize at most twice that.
static void a_block_costs_what_is_stated(void **state) {
    static const size_t sizes[] = {0,    1,     12,    13,    16,    28,    48,   60,
                                   64,   65,    100,   128,   250,   500,   512,  513,
                                   1000, 1024,  1500,  2000,  2049,  3000,  4096, 5000,
                                   9000, 16384, 16385, 33000, 70000, 200000};
    lm_memory memory = started(1, 2000);
    void *others[300];
    for (size_t i = 0; i < 300; i++)
        others[i] = tested->allocate(i * i % 1777, &memory);
    for (size_t i = 0; i < 300; i += 2)
        tested->free(others[i], 0, &memory);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        for (size_t alignment = 16; alignment <= LM_PAGE_BYTES; alignment *= 4) {
            size_t size = sizes[i];
            uint64_t most = bytes_max(size, alignment), before = walk(&memory).live_bytes;
            require_that(cost, most, >=, size);
            require_that(cost, most, <=, 2 * (size + alignment) + 64);
            void *block = tested->allocate_aligned(alignment, size, &memory);
            require_served(block);
            uint64_t usable = tested->usable_size(block, &memory);
            uint64_t cost = walk(&memory).live_bytes - before;
            require_that(usable, size, <=, usable);
            require_that(cost, usable, <=, cost);
            require_that(cost, cost, <=, most);
            size_t other = sizes[(i * 7 + 3) % (sizeof sizes / sizeof *sizes)];
            block = tested->resize_aligned(block, other, alignment, &memory);
            require_served(block);
            usable = tested->usable_size(block, &memory);
            cost = walk(&memory).live_bytes - before;
            require_that(usable, other, <=, usable);
            if (can(LM_FREES_BLOCKS)) { // else what the block was is counted as well
                require_that(cost, usable, <=, cost);
                require_that(cost, cost, <=, 2 * bytes_max(other, alignment));
            }
            tested->free(block, other, &memory);
        }
    }
    lm_memory_destroy(&memory);
}

// Robson's adversary: rounds of blocks, each twice as large as in the round before, as many as the
// budget of live bytes allows. Then the memory is cut into windows as large as the next round's
// blocks, and of each window only the block at one place in it stays: the holes are just too small.
// The place is that of the round before, in the first half of the window or in the second.
typedef struct adversary {
    lm_memory memory;
    unsigned char *blocks[1 << 17];
    uint64_t costs[1 << 17], counts[1 << 17];
    uint32_t count;
    uint64_t origin, live, budget;
    lm_demand_meter demand;
} adversary;

static void play_round(adversary *a, size_t bytes) {
    size_t size = size_within(bytes);
    while (a->live + bytes <= a->budget) {
        unsigned char *block = tested->allocate(size, &a->memory);
        require_served(block);
        a->costs[a->count] = bytes;
        a->counts[a->count] = lm_demand_allocated(&a->demand, tested, size, 1);
        a->blocks[a->count++] = block;
        a->live += bytes;
    }
}

static void free_block(adversary *a, uint32_t i) {
    tested->free(a->blocks[i], 0, &a->memory);
    lm_demand_freed(&a->demand, a->counts[i]);
    a->live -= a->costs[i];
}

static void free_all_but_pins(adversary *a, uint64_t window, uint64_t place) {
    uint32_t kept = 0;
    for (uint32_t i = 0; i < a->count; i++) {
        uint64_t offset = (uint64_t)(a->blocks[i] - lm_memory_base(&a->memory)) - a->origin;
        uint64_t within = (offset + window - place) % window; // the place is the window's start
        if (within == 0 || within + a->costs[i] > window) {
            a->costs[kept] = a->costs[i];
            a->counts[kept] = a->counts[i];
            a->blocks[kept++] = a->blocks[i];
        } else {
            free_block(a, i);
        }
    }
    a->count = kept;
}

static void the_heap_keeps_its_bound(void **state) {
    if (!tested->heap_bytes_max || !can(LM_FREES_BLOCKS)) skip();
    enum { BUDGET_BYTES = 1 << 20, LARGEST_BYTES = 1 << 17 };
    static adversary a;
    static const unsigned halves[] = {0, ~0u, 0x5555, 0x0f36, 0xaaaa}; // a bit a round: which
    a = (adversary){.memory = started(1, 8000), .budget = BUDGET_BYTES};
    for (unsigned i = 0; i < 5; i++) { // one after the other in the same heap
        uint64_t place = 0;
        for (unsigned log2 = 5; 1 << log2 <= LARGEST_BYTES; log2++) {
            play_round(&a, (size_t)1 << log2);
            if (log2 == 5) a.origin = (uint64_t)(a.blocks[0] - lm_memory_base(&a.memory));
            if (halves[i] >> log2 & 1) place += (uint64_t)1 << log2;
            free_all_but_pins(&a, (uint64_t)2 << log2, place);
        }
        require_bound(walk(&a.memory).heap_bytes, &a.demand.most, 1);
        assert_true(walk(&a.memory).heap_bytes >= 3 * (uint64_t)BUDGET_BYTES / 2); // an adversary
        require_served(tested->allocate(100, &a.memory)); // where is up to the strategy
        while (a.count)
            free_block(&a, --a.count);
    }
    lm_memory_destroy(&a.memory);
}

// A thread of several that call at once.
typedef struct caller {
    lm_memory view;
    uint8_t mark;
    pthread_barrier_t *gate;
    const char *broken; // NULL: nothing; cmocka fails in the first thread only
} caller;

static void *call_at_once(void *caller_) {
    enum { BLOCKS = 64, CALLS = 300000 };
    caller *c = caller_;
    unsigned char *blocks[BLOCKS] = {0};
    size_t sizes[BLOCKS];
    uint64_t random = c->mark;
    pthread_barrier_wait(c->gate);
    for (uint32_t call = 0; call < CALLS + BLOCKS && !c->broken; call++) {
        uint32_t i = call < CALLS ? random_below(&random, BLOCKS) : call - CALLS;
        if (blocks[i]) {
            uint64_t wrong = pattern_check(blocks[i], c->mark, sizes[i], sizes[i]);
            if (wrong != PATTERN_HOLDS) c->broken = "content";
            tested->free(blocks[i], 0, &c->view);
            blocks[i] = NULL;
        } else if (call < CALLS) {
            sizes[i] = random_below(&random, 400);
            blocks[i] = tested->allocate(sizes[i], &c->view);
            if (!blocks[i]) c->broken = "out of memory";
            if (blocks[i]) pattern_fill(blocks[i], c->mark, sizes[i], 0);
        }
    }
    return NULL;
}

// No two threads are given the same block, and the heap is sound when they are done.
static void threads_may_call_at_once(void **state) {
    if (!can(LM_SHARES_THREADS)) skip();
    enum { CALLERS = 4 };
    lm_memory memory = make(1, 1000, 0);
    caller callers[CALLERS];
    pthread_t threads[CALLERS];
    pthread_barrier_t gate;
    assert_int_equal(pthread_barrier_init(&gate, NULL, CALLERS), 0);
    for (uint32_t i = 0; i < CALLERS; i++) {
        callers[i] = (caller){.mark = (uint8_t)(i + 1), .gate = &gate};
        assert_true(lm_memory_share(&memory, &callers[i].view, i));
    }
    require(start, tested->start(&callers[0].view));
    for (uint32_t i = 0; i < CALLERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, call_at_once, &callers[i]), 0);
    for (uint32_t i = 0; i < CALLERS; i++)
        pthread_join(threads[i], NULL);
    for (uint32_t i = 0; i < CALLERS; i++)
        require_as(threads, !callers[i].broken, "%s, while threads called at once",
                   callers[i].broken);
    require_that(threads, walk(&memory).live_blocks, ==, 0);
    pthread_barrier_destroy(&gate);
    lm_memory_destroy(&memory);
}

// Rounds that are all alike, and end with nothing live: the first few may teach a strategy how
// large its slabs are to be, and then the heap is as large as it has to be. The blocks are resized
// across sizes that no class, bin or order serves alike, where something behind them is free and
// where something lives; and each in a heap of its own, too, which holds but a few.
typedef struct resizing {
    size_t sizes[3]; // one after the other
} resizing;

static const resizing resizings[] = {
    {{16, 100000, 16}}, {{100000, 16, 100000}}, {{48, 49, 3000}},      {{5000, 70000, 5000}},
    {{1, 0, 1000}},     {{65520, 65540, 1}},    {{4096, 8192, 16384}}, {{300000, 40, 900}},
};
enum { RESIZINGS = sizeof resizings / sizeof *resizings };

static void play_alike(lm_memory *memory, lm_demand_meter *demand, size_t first, size_t end) {
    void *blocks[RESIZINGS];
    uint64_t counts[RESIZINGS];
    for (size_t i = first; i < end; i++) {
        blocks[i] = tested->allocate(resizings[i].sizes[0], memory);
        require_served(blocks[i]);
        counts[i] = lm_demand_allocated(demand, tested, resizings[i].sizes[0], 1);
    }
    for (int turn = 1; turn < 3; turn++) {
        for (size_t i = first; i < end; i++) {
            size_t size = resizings[i].sizes[turn];
            void *block = tested->resize(blocks[i], size, memory);
            require_served(block);
            counts[i] = lm_demand_resized(demand, tested, counts[i], size, 1, block != blocks[i]);
            blocks[i] = block;
        }
    }
    for (size_t i = first; i < end; i++) {
        tested->free(blocks[i], 0, memory);
        lm_demand_freed(demand, counts[i]);
    }
    if (can(LM_FREES_BLOCKS)) return;
    tested->reset(memory);
    lm_demand_reset(demand);
}

static void alike_rounds_stay_flat(size_t first, size_t end) {
    enum { ROUNDS = 400 };
    lm_memory memory = started(1, 2000);
    lm_demand_meter demand = {0};
    uint32_t pages = 0;
    for (int round = 0; round < ROUNDS; round++) {
        play_alike(&memory, &demand, first, end);
        if (round < LM_ROUNDS_LEARNT) pages = lm_memory_pages(&memory);
        require_that(steady, lm_memory_pages(&memory), <=, lm_rounds_pages_max(tested, pages));
        require_bound(walk(&memory).heap_bytes, &demand.most, 1);
    }
    require_that(steady, walk(&memory).live_blocks, ==, 0);
    lm_memory_destroy(&memory);
}

static void the_same_rounds_need_no_more(void **state) {
    alike_rounds_stay_flat(0, RESIZINGS);
    for (size_t i = 0; i < RESIZINGS; i++)
        alike_rounds_stay_flat(i, i + 1);
}

// A block that shrinks where it is leaves a hole, which only less than before fits into.
static void shrinking_keeps_the_bound(void **state) {
    if (!tested->heap_bytes_max) skip();
    lm_memory memory = started(1, 8000);
    lm_demand_meter demand = {0};
    for (int i = 0; i < 1000; i++) {
        void *block = tested->allocate(100000, &memory);
        require_served(block);
        uint64_t counts = lm_demand_allocated(&demand, tested, 100000, 1);
        void *resized = tested->resize(block, 16, &memory);
        require_served(resized);
        lm_demand_resized(&demand, tested, counts, 16, 1, resized != block);
        require_bound(walk(&memory).heap_bytes, &demand.most, 1);
    }
    lm_memory_destroy(&memory);
}

// What a scope took is there again for the next one, and what lies outside of it stays.
static void a_closed_scope_gives_back(void **state) {
    if (!can(LM_NESTS_SCOPES)) skip();
    lm_memory memory = started(1, 1000);
    unsigned char *outside = tested->allocate(500, &memory);
    pattern_fill(outside, 5, 500, 0);
    uint32_t pages = 0;
    for (uint32_t round = 0; round < 20; round++) {
        lm_census before = walk(&memory);
        for (uint32_t depth = 0; depth < 5; depth++) {
            require_served(tested->open_scope(&memory));
            for (size_t size = 1; size < 100000; size *= 3)
                pattern_fill(tested->allocate(size, &memory), 1, size, 0);
            if (round % 5 == 0 && depth == 3) lm_memory_grow_foreign(&memory, 1);
        }
        for (uint32_t depth = 0; depth < 5; depth++)
            tested->close_scope(&memory);
        lm_census after = walk(&memory);
        require_that(scopes, after.live_blocks, ==, before.live_blocks);
        require_that(scopes, after.live_bytes, ==, before.live_bytes);
        require_filled(outside, 500, 500, 5);
        if (round == 0) pages = lm_memory_pages(&memory);
        require_that(scopes, lm_memory_pages(&memory), <=, pages + pages / 2);
    }
    require_served(tested->open_scope(&memory));
    tested->reset(&memory);
    require_that(scopes, walk(&memory).live_blocks, ==, 0);
    lm_memory_destroy(&memory);
}

static size_t resident_pages(const lm_memory *memory, size_t *pages) {
    static unsigned char resident[LM_PAGES_MAX];
    size_t bytes = (size_t)lm_memory_pages(memory) * LM_PAGE_BYTES, count = 0;
    *pages = bytes / (size_t)sysconf(_SC_PAGESIZE);
    assert_true(*pages <= sizeof resident);
    assert_int_equal(mincore(lm_memory_base(memory), bytes, resident), 0);
    for (size_t i = 0; i < *pages; i++)
        count += resident[i] & 1;
    return count;
}

// What is known to be zero is not written: the pages of a large block stay with the system. An
// eighth is left to records, and to huge pages where the system makes some.
static void clean_memory_is_not_touched(void **state) {
    lm_memory memory = started(1, 4096);
    for (int i = 0; i < 3; i++) {
        void *block = tested->allocate_zeroed((size_t)32 << 20, &memory);
        require_served(block);
        size_t pages, resident = resident_pages(&memory, &pages);
        require_that(clean, resident, <=, pages / 8);
        require_zero(block, (size_t)1 << 18);
    }
    lm_memory_destroy(&memory);
}

static void clean_memory_is_known(void **state) {
    if (!tested->allocate_dirty) skip();
    lm_memory memory = started(1, 4096);
    for (int i = 0; i < 3; i++) {
        size_t size = (size_t)32 << 20, dirty, pages;
        require_served(tested->allocate_dirty(size, &dirty, &memory));
        require_that(clean, dirty, <=, size / 8);
        require_that(clean, resident_pages(&memory, &pages), <=, pages / 8);
    }
    lm_memory_destroy(&memory);
}

static void starts_anywhere(void **state) {
    static const struct {
        uint32_t pages, heap_start;
    } places[] = {{0, 16},    {0, 65520}, {1, 65520}, {1, 65536},          {1, 5 * 65536},
                  {2, 65520}, {2, 61440}, {3, 16},    {65536, 4294901760u}};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        lm_memory memory = make(places[i].pages, LM_PAGES_MAX, places[i].heap_start);
        require(start, tested->start(&memory));
        walk(&memory);
        unsigned char *block = tested->allocate(1000, &memory);
        require_served(block);
        require_that(inside, block - lm_memory_base(&memory), >=, places[i].heap_start);
        memset(block, 0xff, 1000);
        require_that(census, walk(&memory).live_blocks, ==, 1);
        lm_memory_destroy(&memory);
    }
}

// In both orders, with the size and without it.
static void a_freed_block_is_gone(void **state) {
    if (!can(LM_FREES_BLOCKS)) skip();
    lm_memory memory = started(1, 100);
    for (unsigned round = 0; round < 16; round++) {
        size_t sizes[] = {100, round % 2 ? 40 : 70000};
        void *blocks[2];
        for (int i = 0; i < 2; i++)
            require_served(blocks[i] = tested->allocate(sizes[i], &memory));
        for (unsigned i = 0; i < 2; i++) {
            unsigned which = i ^ (round >> 1 & 1);
            uint64_t before = walk(&memory).live_bytes;
            tested->free(blocks[which], round >> 2 & 1 ? sizes[which] : 0, &memory);
            lm_census after = walk(&memory);
            require_that(frees, after.live_blocks, ==, 1 - i);
            require_that(frees, after.live_bytes, <, before);
        }
    }
    lm_memory_destroy(&memory);
}

static void start_is_refused_and_tried_again(void **state) {
    lm_memory memory = make(0, 10, 0);
    lm_memory_refuse(&memory, 2);
    require(start, !tested->start(&memory));
    require(start, !tested->start(&memory));
    require_that(start, lm_memory_pages(&memory), ==, 0);
    require(start, tested->start(&memory));
    require_served(tested->allocate(1, &memory));
    lm_memory_destroy(&memory);
    memory = make(1, 1, 65536);
    require(start, !tested->start(&memory));
    require_that(start, lm_memory_pages(&memory), ==, 1);
    lm_memory_destroy(&memory);
}

static void empty_blocks_are_unique(void **state) {
    lm_memory memory = started(1, 10);
    void *blocks[100];
    for (int i = 0; i < 100; i++) {
        blocks[i] = i % 2 ? tested->allocate(0, &memory) : tested->allocate_zeroed(0, &memory);
        require_served(blocks[i]);
        for (int j = 0; j < i; j++)
            require(unique, blocks[i] != blocks[j]);
    }
    void *block = tested->resize(tested->allocate(100, &memory), 0, &memory);
    require_served(block);
    require_that(unique, walk(&memory).live_blocks, ==, 101);
    tested->free(block, 0, &memory);
    lm_census census = walk(&memory), after;
    tested->free(NULL, 0, &memory);
    tested->free(NULL, 10, &memory);
    after = walk(&memory);
    require(null, memcmp(&census, &after, sizeof after) == 0);
    lm_memory_destroy(&memory);
}

static void assert_unchanged(lm_memory *memory, const lm_census *before, uint32_t pages) {
    lm_census after = walk(memory);
    require_that(refused, after.live_blocks, ==, before->live_blocks);
    require_that(refused, after.live_bytes, ==, before->live_bytes);
    require_that(refused, after.free_blocks, ==, before->free_blocks);
    require_that(refused, after.free_bytes, ==, before->free_bytes);
    require_that(refused, after.heap_bytes, ==, before->heap_bytes);
    require_that(refused, lm_memory_pages(memory), ==, pages);
}

static void absurd_sizes_are_refused(void **state) {
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
        unsigned char *block = tested->allocate_aligned(64, 100, &memory);
        pattern_fill(block, 3, 100, 0);
        lm_census census = walk(&memory);
        uint32_t pages = lm_memory_pages(&memory);
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
            require_refused(tested->allocate(sizes[i], &memory));
            require_refused(tested->allocate_zeroed(sizes[i], &memory));
            require_refused(tested->resize(block, sizes[i], &memory));
            for (size_t alignment = 1; alignment <= LM_PAGE_BYTES; alignment *= 2) {
                require_refused(tested->allocate_aligned(alignment, sizes[i], &memory));
                require_refused(tested->resize_aligned(block, sizes[i], alignment, &memory));
            }
            assert_unchanged(&memory, &census, pages);
        }
        require_filled(block, 100, 100, 3);
        lm_memory_destroy(&memory);
    }
}

static void a_failed_resize_keeps_the_block(void **state) {
    for (int kind = 0; kind < 4; kind++) { // small and large, the last block and not
        lm_memory memory = started(2, 30);
        size_t bytes = kind % 2 ? 100000 : 1000;
        unsigned char *block = tested->allocate(bytes, &memory);
        if (kind < 2) require_served(tested->allocate(1000, &memory));
        pattern_fill(block, 9, bytes, 0);
        lm_census census = walk(&memory);
        uint32_t pages = lm_memory_pages(&memory);
        size_t usable = tested->usable_size(block, &memory);
        lm_memory_refuse(&memory, LM_REFUSE_ALL);
        for (size_t size = 200000; size < 2000000; size += 100000) {
            require_refused(tested->resize(block, size, &memory));
            require_refused(tested->resize_aligned(block, size, 16, &memory));
            assert_unchanged(&memory, &census, pages);
            require_that(refused, tested->usable_size(block, &memory), ==, usable);
        }
        require_filled(block, bytes, bytes, 9);
        lm_memory_destroy(&memory);
    }
}

static void every_alignment(void **state) {
    lm_memory memory = started(1, 2000);
    for (int round = 0; round < 3; round++) {
        for (size_t alignment = 1; alignment <= LM_PAGE_BYTES; alignment *= 2) {
            for (size_t size = 0; size < 40000; size = size * 3 + 1) {
                unsigned char *block = tested->allocate_aligned(alignment, size, &memory);
                require_served(block);
                require_that(aligned, (uintptr_t)block % alignment, ==, 0);
                require_that(aligned, (uintptr_t)block % LM_BLOCK_ALIGNMENT, ==, 0);
                pattern_fill(block, 77, size, 0);
                require_served(tested->allocate(1 + size % 50, &memory)); // in the way
                block = tested->resize_aligned(block, size * 2 + 30, alignment, &memory);
                require_served(block);
                require_that(aligned, (uintptr_t)block % alignment, ==, 0);
                require_filled(block, size, size, 77);
                if (size % 2) tested->free(block, size * 2 + 30, &memory);
            }
        }
        walk(&memory);
    }
    lm_memory_destroy(&memory);
}

// Returns how many of its bytes may not be zero, `size` at most.
static size_t known_to_be_dirty(size_t size, lm_memory *memory) {
    size_t dirty;
    unsigned char *block = tested->allocate_dirty(size, &dirty, memory);
    require_served(block);
    if (dirty > size) dirty = size;
    require_zero(block + dirty, size - dirty);
    memset(block, 0xee, tested->usable_size(block, memory));
    tested->free(block, size, memory);
    return dirty;
}

// All but the first round's blocks lie where others were.
static void dirty_bytes_are_known(void **state) {
    if (!tested->allocate_dirty) skip();
    lm_memory memory = started(8, 8);
    for (int round = 0; round < 20; round++) {
        for (size_t size = 1; size < 100000; size = size * 2 + 5)
            known_to_be_dirty(size, &memory);
        tested->reset(&memory);
    }
    lm_memory_destroy(&memory);
}

static void zeroed_on_dirty_ground(void **state) {
    lm_memory memory = started(8, 8);
    for (int round = 0; round < 20; round++) {
        for (size_t size = 1; size < 100000; size = size * 2 + 5) {
            unsigned char *block = tested->allocate_zeroed(size, &memory);
            require_served(block);
            require_zero(block, size);
            memset(block, 0xee, tested->usable_size(block, &memory));
            tested->free(block, size, &memory);
        }
        tested->reset(&memory);
    }
    lm_memory_destroy(&memory);
}

// A block at the end of the memory grows there, and shrinks where it is. It lies at a multiple of
// 512 KiB where blocks lie at multiples of their size, so that what is behind it is its own.
static void resize_keeps_its_place(void **state) {
    if (!can(LM_RESIZES_IN_PLACE)) skip();
    lm_memory memory = started(1, 100);
    memory.moving = true;
    unsigned char *block = NULL;
    uint64_t offset = 1;
    uint64_t cost = bytes_max(100000, 1);
    for (int i = 0;
         i < 8 && (i == 0 || (!(cost & (cost - 1)) && offset % (8 * LM_PAGE_BYTES) != 0)); i++) {
        block = tested->allocate(100000, &memory);
        offset = (uint64_t)(block - lm_memory_base(&memory));
    }
    uint64_t pages = (offset + 450000) / LM_PAGE_BYTES + 3;
    pattern_fill(block, 1, 100, 0);
    for (size_t size = 150000; size < 450000; size += size / 2) {
        block = tested->resize(block, size, &memory);
        require_served(block);
        require_that(place, (uint64_t)(block - lm_memory_base(&memory)), ==, offset);
        require_filled(block, 100, 100, 1);
    }
    require_that(place, lm_memory_pages(&memory), <=, pages);
    block = tested->resize(block, 70000, &memory);
    require_that(place, (uint64_t)(block - lm_memory_base(&memory)), ==, offset);
    if (can(LM_FREES_BLOCKS)) require_that(place, walk(&memory).free_bytes, >, 250000);
    lm_memory_destroy(&memory);
}

// Takes all up to 2^32, in halving sizes; only the edges of the blocks are touched.
static void take_all(lm_memory *memory) {
    uint64_t highest = 0;
    for (size_t size = (size_t)1 << 30; size > 0; size /= 2) {
        unsigned char *block;
        while ((block = tested->allocate(size, memory)) != NULL) {
            block[0] = block[size - 1] = 0x5a;
            uint64_t end = (uint64_t)(block - lm_memory_base(memory)) + size;
            highest = end > highest ? end : highest;
        }
    }
    require_that(limit, lm_memory_pages(memory), ==, LM_PAGES_MAX);
    require_that(limit, highest, <=, (uint64_t)1 << 32);
    require_that(limit, highest, >, ((uint64_t)1 << 32) - LM_PAGE_BYTES);
}

static void ends_at_two_to_the_32(void **state) {
    enum { SLACK_BYTES = 69 << 20 }; // what a heap of 4 GiB may need for itself: 1.7 %
    lm_memory memory = started(1, LM_PAGES_MAX);
    for (int round = 0; round < 2; round++) {
        take_all(&memory);
        walk(&memory);
        tested->reset(&memory);
        require_that(reset, walk(&memory).live_blocks, ==, 0);
    }
    if (can(LM_SHARES_THREADS)) { // its table stays where threads may look, and splits the rest
        lm_memory_destroy(&memory);
        return;
    }
    // Sizes whose blocks may cost half, a quarter and all but the slack; no more is asked, since a
    // strategy may double what it is asked for.
    uint64_t all = ((uint64_t)1 << 32) - SLACK_BYTES;
    size_t half = size_within(all / 2), quarter = size_within(all / 4);
    unsigned char *block = tested->allocate(half, &memory);
    unsigned char *rest = tested->allocate(quarter, &memory);
    require_served(block);
    require_served(rest);
    block[half - 1] = rest[quarter - 1] = 1;
    tested->free(block, half, &memory);
    tested->free(rest, 0, &memory);
    walk(&memory);
    if (can(LM_MERGES)) {
        size_t whole = size_within(all);
        block = tested->allocate(whole, &memory);
        require_served(block);
        block[whole - 1] = 1;
        tested->free(block, 0, &memory);
    }
    lm_memory_destroy(&memory);
}

// Wherever the heap starts, and whatever it does for itself while it grows.
static void nothing_fails_while_the_memory_can_grow(void **state) {
    uint64_t random = 11;
    for (uint32_t round = 0; round < 250; round++) {
        lm_memory memory = make(1, LM_PAGES_MAX, 16 + 16 * random_below(&random, 512));
        require(start, tested->start(&memory));
        for (int i = 0; i < 60; i++)
            require_served(tested->allocate(1 + random_below(&random, 300000), &memory));
        lm_memory_destroy(&memory);
    }
}

// Small blocks cost at most as much again, in pages.
static void pages_follow_the_need(void **state) {
    lm_memory memory = started(1, 1000);
    for (int i = 0; i < 10000; i++)
        require_served(tested->allocate(100, &memory));
    require_that(need, lm_memory_pages(&memory), <=, 2 * 10000 * 100 / LM_PAGE_BYTES);
    uint64_t pages = lm_memory_pages(&memory), most = 2 * bytes_max(10 * LM_PAGE_BYTES, 1);
    require_served(tested->allocate(10 * LM_PAGE_BYTES, &memory));
    require_that(need, lm_memory_pages(&memory), <=, pages + most / LM_PAGE_BYTES + 2);
    lm_memory_destroy(&memory);
}

int run_laws(void) {
    static const law_test tests[] = {
        LAW_TEST(starts_anywhere),
        LAW_TEST(start_is_refused_and_tried_again),
        LAW_TEST(a_freed_block_is_gone),
        LAW_TEST(empty_blocks_are_unique),
        LAW_TEST(absurd_sizes_are_refused),
        LAW_TEST(a_failed_resize_keeps_the_block),
        LAW_TEST(every_alignment),
        LAW_TEST(zeroed_on_dirty_ground),
        LAW_TEST(dirty_bytes_are_known),
        LAW_TEST(resize_keeps_its_place),
        LAW_TEST(nothing_fails_while_the_memory_can_grow),
        LAW_TEST(pages_follow_the_need),
        LAW_TEST(bytes_are_free_of_the_base),
        LAW_TEST(all_that_is_freed_comes_back),
        LAW_TEST(the_same_again_needs_no_growth),
        LAW_TEST(freed_between_foreign_pages_comes_back),
        LAW_TEST(a_block_costs_what_is_stated),
        LAW_TEST(the_heap_keeps_its_bound),
        LAW_TEST(threads_may_call_at_once),
        LAW_TEST(the_same_rounds_need_no_more),
        LAW_TEST(shrinking_keeps_the_bound),
        LAW_TEST(a_closed_scope_gives_back),
        LAW_TEST(clean_memory_is_not_touched),
        LAW_TEST(clean_memory_is_known),
        LAW_TEST(ends_at_two_to_the_32),
    };
    return run_law_tests("laws", tests, sizeof tests / sizeof *tests);
}
