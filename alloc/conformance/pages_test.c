// Programs that heaps are bad at, played on every strategy: as they are, with somebody else's page
// after each growth, and with a growth refused, once or for good. Each time the heap must keep the
// bound that its strategy states, and where that is loose, the pages in the table of programs; and
// no call may take more steps than alloc/conformance/steps.h allows. No clock is read.
#include "alloc/conformance/demand.h"
#include "alloc/conformance/heap.h"
#include "alloc/conformance/steps.h"

#include <string.h>

enum { BLOCKS_MAX = 501 };

static unsigned steps;

void __sanitizer_cov_trace_pc(void);
void __sanitizer_cov_trace_pc(void) {
    steps++;
}

typedef enum way { PLAIN, FOREIGN, REFUSED_ONCE, REFUSED_FOR_GOOD } way;

typedef struct play {
    const lm_allocator *tested;
    lm_memory memory;
    lm_demand_meter demand;
    way way;
    uint32_t refused;              // the number of the growth that is refused
    uint32_t pages_begun, foreign; // pages
    bool refuses;                  // it was, or is about to be
    uint32_t growths;
    void *blocks[BLOCKS_MAX];
    uint64_t counts[BLOCKS_MAX];
} play;

// ---- Calls --------------------------------------------------------------------------------------

static void before(play *p) {
    if (p->way >= REFUSED_ONCE && p->growths == p->refused && !p->refuses) {
        p->refuses = true;
        lm_memory_refuse(&p->memory, p->way == REFUSED_ONCE ? 1 : LM_REFUSE_ALL);
    }
    steps = 0;
}

static void after(play *p, uint32_t pages, bool resizes) {
    uint32_t now = lm_memory_pages(&p->memory);
    unsigned taken = steps, steps_max = lm_steps_max(p->tested, resizes, pages, now);
    if (taken > steps_max) fail_msg("%u steps in a call that found %u pages", taken, pages);
    if (now == pages) return;
    p->growths++;
    if (p->way != FOREIGN || !lm_memory_grow_foreign(&p->memory, 1)) return;
    p->foreign++;
    lm_demand_foreign(&p->demand, 1);
}

static void allocate(play *p, uint32_t block, uint64_t size) {
    uint32_t pages = lm_memory_pages(&p->memory);
    before(p);
    p->blocks[block] = p->tested->allocate((size_t)size, &p->memory);
    after(p, pages, false);
    if (p->blocks[block])
        p->counts[block] = lm_demand_allocated(&p->demand, p->tested, (size_t)size, 1);
}

static void resize(play *p, uint32_t block, uint64_t size) {
    void *had = p->blocks[block];
    if (!had) return;
    uint32_t pages = lm_memory_pages(&p->memory);
    before(p);
    void *now = p->tested->resize(had, (size_t)size, &p->memory);
    after(p, pages, true);
    if (!now) return;
    p->blocks[block] = now;
    p->counts[block] =
        lm_demand_resized(&p->demand, p->tested, p->counts[block], (size_t)size, 1, now != had);
}

static void release(play *p, uint32_t block) {
    if (!p->blocks[block]) return;
    uint32_t pages = lm_memory_pages(&p->memory);
    before(p);
    p->tested->free(p->blocks[block], 0, &p->memory);
    after(p, pages, false);
    lm_demand_freed(&p->demand, p->counts[block]);
    p->blocks[block] = NULL;
}

// ---- Programs -----------------------------------------------------------------------------------

// A buffer grows by a page a step and is copied: what it left is too small for the next one.
static void ratchet(play *p) {
    for (uint32_t i = 1; i <= 300; i++) {
        allocate(p, i % 2, (uint64_t)i * LM_PAGE_BYTES);
        release(p, (i + 1) % 2);
    }
    release(p, 0);
}

// A page comes and goes, each time with a small block that stays, which must not cut the hole.
static void churn(play *p) {
    for (uint32_t i = 1; i <= 500; i++) {
        allocate(p, 0, 65520);
        allocate(p, i, 16);
        release(p, 0);
    }
    for (uint32_t i = 1; i <= 500; i++)
        release(p, i);
}

// Large blocks, each a little larger than the hole behind which a small one lives.
static void gap16(play *p) {
    static const uint32_t sizes[] = {16777200, 16777216, 16777232,  33554416,
                                     33554432, 50331664, 134217712, 2147418112};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        allocate(p, 0, sizes[i]);
        allocate(p, 1, 100);
        release(p, 0);
        allocate(p, 0, (uint64_t)sizes[i] + LM_PAGE_BYTES);
        release(p, 1);
        release(p, 0);
        allocate(p, 0, sizes[i]);
        release(p, 0);
    }
}

// All sizes around pages, one after the other.
static void near_page(play *p) {
    static const uint32_t sizes[] = {1 << 16, 1 << 17, 1 << 18, 1 << 20, 1 << 24};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        for (uint32_t size = sizes[i] - 80; size <= sizes[i] + 32; size += 4) {
            allocate(p, 0, size);
            release(p, 0);
        }
    }
}

// Two blocks, the second not quite as large, freed in their order.
static void wee(play *p) {
    for (int i = 0; i < 300; i++) {
        allocate(p, 0, 340784);
        allocate(p, 1, 320000);
        release(p, 0);
        release(p, 1);
    }
}

// The hole that a block left serves the very same size again.
static void rounded(play *p) {
    static const uint32_t sizes[] = {1000, 1025, 1057, 3001, 5000, 40961, 70001, 130001};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        allocate(p, 0, sizes[i]);
        allocate(p, 1, 100000);
        release(p, 0);
        allocate(p, 0, sizes[i]);
        release(p, 1);
        release(p, 0);
    }
}

// What is half of all memory, and more.
static void huge(play *p) {
    static const uint32_t sizes[] = {2147483647, 2147483648, 2147483632, 3221225472, 4026531840,
                                     4194304000, 4294836224, 4294967240, 4294967295};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        allocate(p, 0, sizes[i]);
        allocate(p, 1, 16);
        resize(p, 1, sizes[i]);
        release(p, 0);
        release(p, 1);
    }
}

// A small block becomes a large one, again and again.
static void grow(play *p) {
    for (int i = 0; i < 3000; i++) {
        allocate(p, 0, 16);
        resize(p, 0, 100000);
        release(p, 0);
    }
}

// Pages at most, where the stated bound is loose: as the program is, and between foreign pages.
typedef struct limits {
    uint32_t plain, foreign; // 0: the bound only
} limits;

typedef struct program {
    const char *name;
    void (*run)(play *);
    uint32_t pages, pages_max;
    limits merging, shared, classes; // paged_shared; segregated and buddy, whose sizes are powers
} program;

// Between foreign pages no two regions join, so that on ratchet each size needs one of its own: the
// sum of all sizes, 45,150 pages, is what it takes. buddy and segregated, which round sizes up,
// find more than half of them in what a size before has left.
static const program programs[] = {
    {"ratchet", ratchet, 1, 65536, {920, 45500}, {1400, 46000}, {2100, 3600}},
    {"churn", churn, 1, 65536, {2, 2}, {2, 2}, {2, 2}},
    {"gap16", gap16, 1, 65536, {0, 42000}, {38600, 42000}, {0, 0}},
    {"near_page", near_page, 1, 65536, {290, 580}, {290, 300}, {1024, 1540}},
    {"wee", wee, 1, 65536, {12, 13}, {12, 13}, {24, 32}},
    {"rounded", rounded, 4, 65536, {4, 6}, {5, 7}, {6, 9}},
    {"huge", huge, 1, 65536, {0, 0}, {0, 0}, {0, 0}},
    {"grow", grow, 1, 65536, {2, 2}, {2, 2}, {4, 4}},
};

// ---- Tests --------------------------------------------------------------------------------------

static uint32_t pages_max(const program *played, const play *p) {
    const lm_allocator *tested = p->tested;
    bool shared = tested->capabilities & LM_SHARES_THREADS;
    bool by_class = strcmp(tested->name, "buddy") == 0 || strcmp(tested->name, "segregated") == 0;
    if (!(tested->capabilities & LM_FREES_BLOCKS) || p->way >= REFUSED_ONCE) return 0;
    limits most = shared ? played->shared : by_class ? played->classes : played->merging;
    return p->way == FOREIGN ? most.foreign : most.plain;
}

// Plays, and returns how often the memory grew.
static uint32_t run(const lm_allocator *tested, const program *played, way how, uint32_t refused) {
    static play p;
    p = (play){.tested = tested, .way = how, .refused = refused, .pages_begun = played->pages};
    p.memory = heap_started(tested, played->pages, played->pages_max);
    played->run(&p);
    uint64_t heap_bytes = heap_walk(tested, &p.memory).heap_bytes;
    uint64_t begun = (uint64_t)p.pages_begun * LM_PAGE_BYTES;
    uint32_t pages = lm_memory_pages(&p.memory) - p.foreign, most = pages_max(played, &p);
    lm_memory_destroy(&p.memory);
    if (most && pages > most)
        fail_msg("%s takes %u pages, %u at most are allowed", played->name, pages, most);
    if (tested->heap_bytes_max && heap_bytes > begun + tested->heap_bytes_max(&p.demand.most))
        fail_msg("%s takes %llu bytes, the bound is %llu", played->name,
                 (unsigned long long)heap_bytes,
                 (unsigned long long)tested->heap_bytes_max(&p.demand.most));
    return p.growths;
}

static void pages_are_bound(void **state) {
    for (size_t i = 0; i < sizeof programs / sizeof *programs; i++) {
        run(*state, &programs[i], PLAIN, 0);
        run(*state, &programs[i], FOREIGN, 0);
    }
}

// The first growth, the second, the fourth … and the last one.
static void refusals_are_survived(void **state) {
    for (size_t i = 0; i < sizeof programs / sizeof *programs; i++) {
        uint32_t growths = run(*state, &programs[i], PLAIN, 0);
        for (uint32_t n = 1; n / 2 < growths; n *= 2) {
            uint32_t refused = n < growths ? n - 1 : growths - 1;
            run(*state, &programs[i], REFUSED_ONCE, refused);
            run(*state, &programs[i], REFUSED_FOR_GOOD, refused);
        }
    }
}

#define STRATEGY(name) extern const lm_allocator lm_##name##_counted;
#include "alloc/strategies.def"
#undef STRATEGY

int main(void) {
#define STRATEGY(name)                                                                             \
    {#name, pages_are_bound, NULL, NULL, (void *)(uintptr_t)&lm_##name##_counted},                 \
        {#name "_refused", refusals_are_survived, NULL, NULL,                                      \
         (void *)(uintptr_t)&lm_##name##_counted},
    const struct CMUnitTest units[] = {
#include "alloc/strategies.def"
    };
#undef STRATEGY
    return cmocka_run_group_tests(units, NULL, NULL);
}
