// The oracle detects each breach of a law by a strategy that makes one at a time.
#include "alloc/registry.h"
#include "cli/test.h"
#include "fuzz/oracle/steps.h"
#include "fuzz/play/heap_player.h"

#include <string.h>

// ---- A strategy that errs -----------------------------------------------------------------------

// The breaches, each with the law that it breaks.
#define BREACHES_LIST(BREACH)                                                                      \
    BREACH(NO_BREACH, NONE)                                                                        \
    BREACH(BEYOND_THE_END, inside)                                                                 \
    BREACH(BELOW_THE_START, inside)                                                                \
    BREACH(SERVES_TOO_LITTLE, inside)                                                              \
    BREACH(OFF_BY_EIGHT, aligned)                                                                  \
    BREACH(SAME_BLOCK_TWICE, disjoint)                                                             \
    BREACH(IN_FOREIGN_PAGES, disjoint)                                                             \
    BREACH(LESS_USABLE, usable)                                                                    \
    BREACH(MORE_USABLE, cost)                                                                      \
    BREACH(GROWS_TOO_MUCH, need)                                                                   \
    BREACH(FREE_GROWS, need)                                                                       \
    BREACH(COUNTS_MORE_BYTES, cost)                                                                \
    BREACH(WRITES_TO_A_NEIGHBOUR, content)                                                         \
    BREACH(WRITES_BEFORE_THE_HEAP, content)                                                        \
    BREACH(WRITES_TO_FOREIGN_PAGES, content)                                                       \
    BREACH(RESIZE_LOSES_THE_LAST_BYTE, content)                                                    \
    BREACH(DIRTY_ZEROES, zero)                                                                     \
    BREACH(REFUSES_FOR_NOTHING, served)                                                            \
    BREACH(DOES_NOT_START, start)                                                                  \
    BREACH(REFUSAL_GROWS, refused)                                                                 \
    BREACH(REFUSAL_CHANGES_THE_HEAP, refused)                                                      \
    BREACH(FAILED_RESIZE_CHANGES_THE_BLOCK, content)                                               \
    BREACH(HEAP_BREAKS_ITS_LAW, sound)                                                             \
    BREACH(COUNTS_A_BLOCK_MORE, census)                                                            \
    BREACH(COUNTS_FEWER_BYTES, census)                                                             \
    BREACH(FREE_DOES_NOTHING, frees)                                                               \
    BREACH(RESET_LEAVES_A_BLOCK, reset)                                                            \
    BREACH(FREED_IS_LOST, merges)                                                                  \
    BREACH(GROWS_ROUND_BY_ROUND, steady)                                                           \
    BREACH(SPLITS_FOR_GOOD, merges)                                                                \
    BREACH(TAKES_MANY_STEPS, steps)                                                                \
    BREACH(SEARCHES_BLOCK_BY_BLOCK, steps)                                                         \
    BREACH(GROWS_BESIDE_WHAT_IS_FREE, gap)                                                         \
    BREACH(REFUSES_BESIDE_WHAT_IS_FREE, gap)

typedef enum breach {
#define BREACH(name, law) name,
    BREACHES_LIST(BREACH) BREACHES
#undef BREACH
} breach;

static const law breaks_law[BREACHES] = {
#define BREACH(name, law) [name] = LAW_##law,
    BREACHES_LIST(BREACH)
#undef BREACH
};

enum { BESIDE = 40000 }; // a request beside a wide gap

static breach breaching;
static const lm_allocator *right;
static uint32_t calls, frees, foreign_offset;
static bool refused, was_reset;
static void *last;
static size_t last_size;

static bool errs(breach b) {
    return breaching == b;
}

static bool err_start(lm_memory *memory) {
    calls = frees = 0;
    refused = was_reset = false;
    last = NULL;
    return !errs(DOES_NOT_START) && right->start(memory);
}

// What an allocation does wrong besides its result.
static void err_aside(lm_memory *memory) {
    unsigned char *base = lm_memory_base(memory);
    if (errs(WRITES_TO_A_NEIGHBOUR) && last) ((unsigned char *)last)[last_size - 1] ^= 1;
    if (errs(WRITES_BEFORE_THE_HEAP)) base[memory->heap_start - 3] ^= 1;
    if (errs(WRITES_TO_FOREIGN_PAGES)) base[foreign_offset + 5] ^= 1;
    if (errs(GROWS_TOO_MUCH) && calls == 5) lm_memory_grow(memory, 20);
    if (errs(TAKES_MANY_STEPS) && calls == 5) steps_taken += 2000;
}

static void *err_block(void *block, size_t size, lm_memory *memory) {
    unsigned char *base = lm_memory_base(memory);
    bool fifth = ++calls == 5;
    if (!block) return NULL;
    if (fifth) err_aside(memory);
    if (fifth && errs(BEYOND_THE_END)) return base + lm_memory_pages(memory) * LM_PAGE_BYTES - 16;
    if (fifth && errs(BELOW_THE_START)) return base + 16;
    if (fifth && errs(OFF_BY_EIGHT)) return (unsigned char *)block + 8;
    if (fifth && errs(SAME_BLOCK_TWICE)) return last;
    if (fifth && errs(IN_FOREIGN_PAGES)) return base + foreign_offset + 4096;
    if (fifth && errs(REFUSES_FOR_NOTHING)) return NULL;
    last = block;
    last_size = size;
    return block;
}

static void *err_allocate(size_t size, lm_memory *memory) {
    if (errs(GROWS_BESIDE_WHAT_IS_FREE) && size == BESIDE) lm_memory_grow(memory, 1);
    if (errs(REFUSES_BESIDE_WHAT_IS_FREE) && size == BESIDE && memory->refusals) return NULL;
    if (errs(SEARCHES_BLOCK_BY_BLOCK)) steps_taken += frees;
    void *block = right->allocate(size, memory);
    if (!block && errs(REFUSAL_GROWS)) lm_memory_grow_foreign(memory, 1);
    refused |= !block;
    if (!block && errs(SERVES_TOO_LITTLE)) return right->allocate(1, memory);
    if (errs(SPLITS_FOR_GOOD) && memory->refusals && size != BESIDE) return NULL;
    return err_block(block, size, memory);
}

static void *err_allocate_zeroed(size_t size, lm_memory *memory) {
    void *block = right->allocate_zeroed(size, memory);
    if (errs(DIRTY_ZEROES) && block) ((unsigned char *)block)[size - 1] = 1;
    return err_block(block, size, memory);
}

static void *err_allocate_aligned(size_t alignment, size_t size, lm_memory *memory) {
    return err_block(right->allocate_aligned(alignment, size, memory), size, memory);
}

static void *err_resize(void *block, size_t size, lm_memory *memory) {
    size_t before = right->usable_size(block, memory);
    unsigned char *resized = right->resize(block, size, memory);
    if (resized && errs(RESIZE_LOSES_THE_LAST_BYTE) && size > before) resized[99] ^= 1;
    if (!resized && errs(FAILED_RESIZE_CHANGES_THE_BLOCK)) ((unsigned char *)block)[0] ^= 1;
    return resized;
}

static void err_free(void *block, size_t size, lm_memory *memory) {
    frees++;
    if (errs(FREE_GROWS) || (errs(GROWS_ROUND_BY_ROUND) && frees > 100)) lm_memory_grow(memory, 1);
    bool lost = errs(FREE_DOES_NOTHING) && right->usable_size(block, memory) < BESIDE;
    if (!lost) right->free(block, size, memory);
}

static size_t err_usable_size(const void *block, lm_memory *memory) {
    size_t usable = right->usable_size(block, memory);
    return errs(LESS_USABLE) ? usable / 2 : errs(MORE_USABLE) ? usable + 64 : usable;
}

static void err_reset(lm_memory *memory) {
    right->reset(memory);
    was_reset = true;
    if (errs(RESET_LEAVES_A_BLOCK)) right->allocate(1, memory);
}

static const char *err_validate(lm_memory *memory, lm_census *census) {
    if (errs(HEAP_BREAKS_ITS_LAW)) return "its law";
    const char *law = right->validate(memory, census);
    if (errs(REFUSAL_CHANGES_THE_HEAP) && refused) census->heap_bytes -= 16;
    if (errs(COUNTS_A_BLOCK_MORE)) census->live_blocks++;
    if (errs(COUNTS_MORE_BYTES)) census->live_bytes += census->live_blocks ? 4096 : 0;
    if (errs(COUNTS_FEWER_BYTES)) census->live_bytes /= 2;
    if (errs(FREED_IS_LOST) && !was_reset && !census->live_blocks) census->free_bytes /= 4;
    return law;
}

static lm_allocator erring(void) {
    right = lm_strategy_named("tlsf", 0);
    lm_allocator table = *right;
    table.start = err_start;
    table.allocate = err_allocate;
    table.allocate_zeroed = err_allocate_zeroed;
    table.allocate_aligned = err_allocate_aligned;
    table.resize = err_resize;
    table.free = err_free;
    table.usable_size = err_usable_size;
    table.reset = err_reset;
    table.validate = err_validate;
    return table;
}

// ---- The laws -----------------------------------------------------------------------------------

// Allocations of every kind, foreign pages, a resize that grows, failures, and blocks left to the
// end.
static const trace_operation operations[] = {
    {TRACE_HEAP, {4096, 1, 40}},
    {TRACE_ALLOCATE, {0, 100, 16}},
    {TRACE_GROW, {1}},
    {TRACE_ZEROED, {1, 200, 16}},
    {TRACE_ALLOCATE, {2, 300, 64}},
    {TRACE_ALLOCATE, {3, 1000, 16}},
    {TRACE_ALLOCATE, {4, 900, 16}},
    {TRACE_ALLOCATE, {5, 90000, 16}},
    {TRACE_RESIZE, {0, 5000}},
    {TRACE_REFUSE, {UINT32_MAX}},
    {TRACE_ALLOCATE, {6, 1000000, 16}},
    {TRACE_RESIZE, {3, 1000000}},
    {TRACE_REFUSE, {0}},
    {TRACE_FREE, {2}},
    {TRACE_ALLOCATE, {7, 70000, 16}},
    {TRACE_FREE, {0}},
    {TRACE_ALLOCATE, {8, 800000, 16}},
    {TRACE_FREE, {8}},
    {TRACE_ALLOCATE, {9, BESIDE, 16}},
    {TRACE_REFUSE, {UINT32_MAX}},
    {TRACE_ALLOCATE, {10, BESIDE, 16}},
    {TRACE_REFUSE, {0}},
};
enum { OPERATIONS = sizeof operations / sizeof *operations };

static heap_player player;

static law law_broken_by(breach b) {
    lm_allocator table = erring();
    heap_options options = {.allocator = &table,
                            .counted = &table,
                            .rounds = b == GROWS_ROUND_BY_ROUND,
                            .boards = b == SEARCHES_BLOCK_BY_BLOCK, // would hide other breaches
                            .walk_every = 1};
    breaching = b;
    // A leak breaks the census if every operation is walked, else the law of the end.
    if (b == FREE_DOES_NOTHING) options.walk_every = 0;
    foreign_offset = LM_PAGE_BYTES;
    size_t at;
    bool holds = heap_player_run(&player, &options, operations, OPERATIONS, &at);
    assert_int_equal(holds, player.heap.oracle.broken == LAW_NONE);
    assert_int_equal(holds, player.heap.oracle.finding[0] == '\0');
    return player.heap.oracle.broken;
}

TEST(each_breach_is_seen) {
    for (breach b = 0; b < BREACHES; b++) {
        law law = law_broken_by(b);
        if (law != breaks_law[b])
            fail_msg("breach %d breaks %s: %s", b, law_names[law], player.heap.oracle.finding);
    }
}

TEST(laws_have_names) {
    for (law law = 0; law < LAWS; law++) {
        assert_int_equal(law_named(law_names[law]), law);
        assert_true(strlen(law_texts[law]) > 10);
    }
    assert_int_equal(law_named("none"), LAW_NONE);
    assert_int_equal(law_named("bounds"), LAW_NONE);
}

static void make_player(void) {
    assert_true(heap_player_create(&player));
}

int main(void) {
    make_player();
    int failed = cmocka_run_group_tests(test_list, NULL, NULL);
    heap_player_destroy(&player);
    return failed;
}
