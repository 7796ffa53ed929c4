// ---- The calls ----------------------------------------------------------------------------------
//
// This part is the same in every reproducer of a heap. alloc/conformance/checked_heap.h makes each
// call and checks its result.
#include "alloc/conformance/checked_heap.h"
#include "alloc/conformance/checkerboard.h"
#include "alloc/strategies/strategy.h"
#include "fuzz/reproduce/reproducer_common.h"

#ifndef WRONG_CALLS
#define WRONG_CALLS false
#endif

extern const lm_allocator LM_TABLE(STRATEGY);
static const lm_allocator *const allocator = &LM_TABLE(STRATEGY);
static lm_memory memory;
static checked_heap heap;

// Code compiled with -fsanitize-coverage=trace-pc calls this at each step.
static uint32_t steps;
#ifdef __clang__
#define UNCOUNTED __attribute__((no_sanitize("coverage")))
#else
#define UNCOUNTED __attribute__((no_sanitize_coverage))
#endif
void __sanitizer_cov_trace_pc(void);
UNCOUNTED void __sanitizer_cov_trace_pc(void) {
    steps++;
}

static void check(bool holds) {
    if (!holds) broken(law_names[heap.oracle.broken], "%s", heap.oracle.finding);
}
static void check_call(bool holds) {
    call++;
    check(holds);
    if (oracle_walks_cheaply(&heap.oracle)) check(oracle_walk(&heap.oracle));
}

// The calls, which are repeated in rounds at the end.
static lm_round_call calls[LM_ROUND_CALLS_MAX];
static size_t call_count;
static void note(lm_round_verb verb, uint32_t number, uint32_t size, uint32_t alignment) {
    if (call_count < LM_ROUND_CALLS_MAX)
        calls[call_count++] = (lm_round_call){verb, number, size, alignment};
}

static void start_in(lm_memory *in) {
    const checked_options options = {.steps = &steps, .wrong_calls = WRONG_CALLS};
    check(checked_start(&heap, allocator, in, &options));
}
static void start(uint32_t heap_start, uint32_t pages, uint32_t pages_max) {
    lm_memory_options options = {.heap_start = heap_start, .pages = pages, .pages_max = pages_max};
    catch_signals();
    if (!lm_memory_create(&memory, &options)) perror("no memory"), exit(2);
    start_in(&memory);
    if (!heap.started) puts("nothing is broken: the heap has no room"), exit(0);
}

static void allocate(uint32_t number, uint32_t size, uint32_t alignment, bool zeroed) {
    note(LM_ROUND_ALLOCATE, number, size, alignment);
    check_call(checked_allocate(&heap, number, size, alignment, zeroed));
}
static void resize(uint32_t number, uint32_t size) {
    note(LM_ROUND_RESIZE, number, size, 0);
    check_call(checked_resize(&heap, number, size));
}
static void release(uint32_t number) {
    note(LM_ROUND_FREE, number, 0, 0);
    check_call(checked_free(&heap, number));
}
static void open_scope(void) {
    note(LM_ROUND_OPEN, 0, 0, 0);
    check_call(checked_open(&heap));
}
static void close_scope(void) {
    note(LM_ROUND_CLOSE, 0, 0, 0);
    check_call(checked_close(&heap));
}
static void reset(void) {
    note(LM_ROUND_RESET, 0, 0, 0);
    check_call(checked_reset(&heap));
}
static void grow(uint32_t pages) { // other code grows the memory
    check_call(checked_grow_foreign(&heap, pages));
}
static void refuse(uint32_t count) {
    lm_memory_refuse(&memory, count);
}
static void lane(uint32_t number) {
    checked_thread(&heap, number);
}
static void move(void) {
    checked_move(&heap);
}

// The last request has room, and most strategies serve it (fuzz/oracle/differential.h).
static void agrees(const char *finding) {
    if (heap.answer != CHECKED_SERVED)
        broken("agreement", "%llu bytes are left, and %s", (ull)oracle_left(&heap.oracle), finding);
}

// A walk over a heap in which a word is damaged ends, and writes nothing.
static void walk_damaged(uint32_t offset, uint32_t value) {
    uint32_t *word = (uint32_t *)(void *)(lm_memory_base(&memory) + offset), was = *word;
    *word = value;
    damaged = true;
    allocator->validate(&memory, NULL);
    damaged = false;
    if (*word != value) broken("survives", "validate wrote to the damaged word at %u", offset);
    *word = was;
}

// Each in a heap of its own.
static void play_checkerboards(void) {
    for (uint32_t board = 0; board < LM_BOARDS; board++) {
        lm_memory other;
        if (!lm_memory_create(&other, &(lm_memory_options){.pages = 1, .pages_max = LM_PAGES_MAX}))
            perror("no memory"), exit(2);
        start_in(&other);
        check(oracle_checkerboard(&heap.oracle, board));
        lm_memory_destroy(&other);
    }
}

static int end(void) {
    check(checked_end(&heap));
    check(oracle_rounds(&heap.oracle, calls, call_count));
    if (steps) play_checkerboards();
    puts("nothing is broken");
    return 0;
}
