// Constant time, counted: a strategy that states LM_CONSTANT_TIME takes no more steps for an
// allocation or a free in a large heap than in a small one, and no more than lm_steps_max in any
// (alloc/conformance/steps.h, which says what a step is). The others may take logarithmically more.
// How steps grow with the number of blocks is a slope, of log2 of the one over log2 of the other: 0
// is constant, 1 linear. The longest call's and the mean call's stay below SLOPE_MAX. bitmap's do
// not: it takes a step for each 512 pages, and each free before a call may mislead it once more.
// They stay below 1. All keep to the bound of a checkerboard. No clock is read.
//
// The heaps are those that lists and trees are bad at: many free blocks of one size below what is
// asked for, of all sizes, of rising sizes, and heaps that were filled and drained.
#include "alloc/conformance/checkerboard.h"
#include "alloc/conformance/heap.h"

#include <math.h>

enum {
    STEPS_MORE = 64, // that a larger heap may take: a path that no call took in the small one
    PROBES = 3000,
    BLOCKS_LOG2_MIN = 10,
    BLOCKS_LOG2_STEP = 3,
    BLOCKS_LOG2_MAX = 16,
};

#define SLOPE_MAX        0.3  // first_fit's longest: 0.13
#define SLOPE_MAX_BITMAP 0.92 // the longest: 0.89; the mean: 0.73

static uint32_t steps;

void __sanitizer_cov_trace_pc(void);
void __sanitizer_cov_trace_pc(void) {
    steps++;
}

typedef struct heap {
    const lm_allocator *tested;
    lm_memory memory;
    void *blocks[1 << BLOCKS_LOG2_MAX];
    uint32_t count;
    uint64_t random;
    uint32_t pages;     // before the call
    unsigned steps_max; // of any call so far
    uint64_t steps_all, calls;
} heap;

static uint32_t random_below(heap *h, uint32_t bound) {
    h->random = h->random * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)((h->random >> 33) % bound);
}

static void begin(heap *h) {
    h->pages = lm_memory_pages(&h->memory);
    steps = 0;
}

static void counted(heap *h, bool resizes) {
    uint32_t most = lm_steps_max(h->tested, resizes, h->pages, lm_memory_pages(&h->memory));
    if (steps > most) fail_msg("%u steps in a call, more than %u", steps, most);
    if (steps > h->steps_max) h->steps_max = steps;
    h->steps_all += steps;
    h->calls++;
}

static void *allocate(heap *h, size_t size) {
    begin(h);
    void *block = h->tested->allocate(size, &h->memory);
    counted(h, false);
    assert_non_null(block);
    return block;
}

static void release(heap *h, void *block) {
    begin(h);
    h->tested->free(block, 0, &h->memory);
    counted(h, false);
}

// ---- Heaps --------------------------------------------------------------------------------------

typedef size_t size_rule(heap *h, uint32_t i);

static size_t equal_sizes(heap *h, uint32_t i) {
    (void)h, (void)i;
    return 1100;
}
static size_t random_sizes(heap *h, uint32_t i) {
    (void)i;
    return random_below(h, 1500);
}
static size_t rising_sizes(heap *h, uint32_t i) {
    return (size_t)i * 2000 / h->count;
}
static size_t sizes_below_a_power_of_two(heap *h, uint32_t i) {
    (void)i;
    return 1025 + random_below(h, 900);
}

static void fill(heap *h, size_rule *size_of) {
    for (uint32_t i = 0; i < h->count; i++)
        h->blocks[i] = allocate(h, size_of(h, i));
}

// Random allocations and frees, of blocks in the heap's holes and of larger ones.
static void probe(heap *h) {
    static const uint32_t bounds[] = {64, 300, 1200, 2100, 9000};
    for (uint32_t probes = 0; probes < PROBES; probes++) {
        uint32_t i = random_below(h, h->count);
        if (h->blocks[i]) {
            release(h, h->blocks[i]);
            h->blocks[i] = NULL;
        } else {
            h->blocks[i] = allocate(h, random_below(h, bounds[random_below(h, 5)]));
        }
    }
}

// Every `keep`th block lives on.
static void thin(heap *h, uint32_t keep) {
    for (uint32_t i = 0; i < h->count; i++) {
        if (i % keep == 0) continue;
        release(h, h->blocks[i]);
        h->blocks[i] = NULL;
    }
}

static void drain_at_random(heap *h) {
    for (uint32_t i = h->count; i-- > 0;) {
        uint32_t j = random_below(h, i + 1);
        void *block = h->blocks[j];
        h->blocks[j] = h->blocks[i];
        h->blocks[i] = NULL;
        if (block) release(h, block);
    }
}

typedef struct taken {
    unsigned most;
    double mean;
} taken;

// The steps that the calls took in heaps of so many blocks.
static taken steps_taken(const lm_allocator *tested, unsigned blocks_log2) {
    static size_rule *const rules[] = {equal_sizes, random_sizes, rising_sizes,
                                       sizes_below_a_power_of_two};
    static heap h;
    h = (heap){.tested = tested, .count = 1u << blocks_log2, .random = 7};
    for (int i = 0; i < 4; i++) {
        h.memory = heap_started(tested, 1, 1 << 13);
        for (uint32_t keep = 2; keep < 6; keep += 2) { // checkerboards; then the tide goes out
            fill(&h, rules[i]);
            thin(&h, keep);
            probe(&h);
            drain_at_random(&h);
        }
        lm_memory_destroy(&h.memory);
    }
    return (taken){h.steps_max, (double)h.steps_all / (double)h.calls};
}

static double slope(double small, double large) {
    return log2(large / small) / (int)BLOCKS_LOG2_STEP;
}

// Between each size and the next.
static void check_slopes(const lm_allocator *tested, const taken *at, size_t count) {
    double max = lm_steps_by_pages(tested) ? SLOPE_MAX_BITMAP : SLOPE_MAX;
    for (size_t i = 1; i < count; i++) {
        double most = slope(at[i - 1].most, at[i].most);
        double mean = slope(at[i - 1].mean, at[i].mean);
        if (most > max || mean > max)
            fail_msg("%s: slopes %.2f of the longest call, %.2f of the mean", tested->name, most,
                     mean);
    }
}

static void steps_keep_their_bound(void **state) {
    const lm_allocator *tested = *state;
    taken at[1 + (BLOCKS_LOG2_MAX - BLOCKS_LOG2_MIN) / BLOCKS_LOG2_STEP];
    size_t count = sizeof at / sizeof *at;
    for (size_t i = 0; i < count; i++) {
        unsigned blocks_log2 = BLOCKS_LOG2_MIN + BLOCKS_LOG2_STEP * (unsigned)i;
        at[i] = steps_taken(tested, blocks_log2);
        print_message("%s: %u steps at most with 2^%u blocks, %.1f in the mean\n", tested->name,
                      at[i].most, blocks_log2, at[i].mean);
        assert_true(at[i].most > 0); // else nobody counts
    }
    if (tested->capabilities & LM_BOUNDED_SEARCH) check_slopes(tested, at, count);
    unsigned small = at[0].most, large = at[count - 1].most;
    if (tested->capabilities & LM_CONSTANT_TIME) {
        assert_true(large <= small + STEPS_MORE);
    }
}

// The most steps of a resize of a block that has the three sizes one after the other, in a heap of
// so many pages in which nothing else lives.
static unsigned resize_steps(const lm_allocator *tested, uint32_t pages, const size_t sizes[3]) {
    static heap h;
    h = (heap){.tested = tested, .memory = heap_started(tested, pages, 1 << 14)};
    void *first = allocate(&h, 1), *block = allocate(&h, sizes[0]);
    release(&h, first); // what lies before the block is free as well
    h.steps_max = 0;
    for (int i = 1; i < 3; i++) {
        begin(&h);
        block = tested->resize(block, sizes[i], &h.memory);
        counted(&h, true);
        assert_non_null(block);
    }
    lm_memory_destroy(&h.memory);
    return h.steps_max;
}

// The block is alone, so free blocks of every size lie beside it, and a resize takes or makes all
// of them at once: small to large and back, in memories that end at many multiples of a page,
// beyond which the block may have to grow.
static void resizes_keep_their_bound(void **state) {
    const lm_allocator *tested = *state;
    if (!(tested->capabilities & LM_CONSTANT_TIME)) skip();
    unsigned most = 0;
    static const uint32_t pages[] = {1, 2, 5, 64, 127, 341, 1023, 4095};
    for (size_t i = 0; i < sizeof pages / sizeof *pages; i++) {
        for (size_t size = 64; size <= 256 << 20; size *= 4) {
            const size_t sizes[][3] = {{1, size, 1}, {size, 1, 2 * size}, {size, 1, size + 1}};
            for (int j = 0; j < 3; j++) {
                unsigned taken = resize_steps(tested, pages[i], sizes[j]);
                if (taken > most) most = taken;
            }
        }
    }
    print_message("%s: %u steps in a resize\n", tested->name, most);
    assert_true(most > 0);
}

static void checkerboards_keep_their_bound(void **state) {
    const lm_allocator *tested = *state;
    for (uint32_t board = 0; board < LM_BOARDS; board++) {
        lm_memory memory = heap_started(tested, 1, LM_PAGES_MAX);
        lm_board_finding found = lm_checkerboard(tested, &memory, board, &steps);
        if (found.most)
            fail_msg("board of %zu: %zu bytes took %u steps, more than %u", lm_board_bytes(board),
                     found.size, found.steps, found.most);
        lm_memory_destroy(&memory);
    }
}

#define STRATEGY(name) extern const lm_allocator lm_##name##_counted;
#include "alloc/strategies.def"
#undef STRATEGY

int main(void) {
#define STRATEGY(name)                                                                             \
    {#name, steps_keep_their_bound, NULL, NULL, (void *)(uintptr_t)&lm_##name##_counted},          \
        {#name "_resize", resizes_keep_their_bound, NULL, NULL,                                    \
         (void *)(uintptr_t)&lm_##name##_counted},                                                 \
        {#name "_checkerboards", checkerboards_keep_their_bound, NULL, NULL,                       \
         (void *)(uintptr_t)&lm_##name##_counted},
    const struct CMUnitTest units[] = {
#include "alloc/strategies.def"
    };
#undef STRATEGY
    return cmocka_run_group_tests(units, NULL, NULL);
}
