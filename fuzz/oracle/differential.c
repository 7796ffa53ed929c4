#include "fuzz/oracle/differential.h"

#include <stdio.h>
#include <string.h>

typedef unsigned long long ull; // the argument of %llu

// ---- Results ------------------------------------------------------------------------------------

// Returns whether there is room for the next power of two, at a multiple of itself: the most that
// any strategy may need.
static bool could_serve(const oracle *o, uint32_t size, uint32_t alignment) {
    uint64_t most = size > alignment ? size : alignment, power = LM_BLOCK_ALIGNMENT;
    while (power < most)
        power *= 2;
    return oracle_had_room(o, power, power);
}

static uint32_t alignment_of(oracle *o, const trace_operation *operation) {
    if (operation->verb != TRACE_RESIZE) return operation->argument[2];
    const oracle_extent *e = oracle_find(o, operation->argument[0]);
    return e ? e->alignment : LM_BLOCK_ALIGNMENT;
}

static void note(differential *a, heap_player *p, const trace_operation *operation, size_t index) {
    if (p->heap.answer == CHECKED_NOT_ASKED || index >= DIFFERENTIAL_OPERATIONS_MAX) return;
    uint32_t bit = UINT32_C(1) << a->place;
    differential_answers *answers = &a->answers[index];
    if (p->heap.answer == CHECKED_SERVED) {
        answers->served |= bit;
        return;
    }
    answers->refused |= bit;
    uint32_t size = operation->argument[1];
    if (could_serve(&p->heap.oracle, size, alignment_of(&p->heap.oracle, operation)))
        answers->owed |= bit;
}

// ---- Playing ------------------------------------------------------------------------------------

// Does not end the heap: that gives no results and costs as much as the calls.
static bool play_all(differential *a, heap_player *p, const trace_operation *operations,
                     size_t count, size_t *at) {
    for (; *at < count && operations[*at].verb != TRACE_EXIT; ++*at) {
        if (!heap_player_play(p, &operations[*at])) return false;
        note(a, p, &operations[*at], *at);
    }
    return true;
}

static bool play_on(differential *a, heap_player *p, const heap_options *options,
                    const trace_operation *operations, size_t count, size_t *at) {
    heap_options own = *options;
    own.allocator = a->allocators[a->place];
    own.counted = NULL;
    bool placed = count && operations[0].verb == TRACE_HEAP;
    *at = placed;
    if (heap_player_start(p, &own, placed ? operations : NULL) &&
        play_all(a, p, operations, count, at))
        return true;
    a->broken = p->heap.oracle.broken;
    snprintf(a->finding, sizeof a->finding, "%s: %s", own.allocator->name, p->heap.oracle.finding);
    return false;
}

// ---- Comparison ---------------------------------------------------------------------------------

static int count_of(uint32_t strategies) {
    return __builtin_popcount(strategies);
}

static bool holds(differential *a, const trace_operation *operation,
                  const differential_answers *answers) {
    if (!answers->owed || count_of(answers->served) <= count_of(answers->refused)) return true;
    a->place = (size_t)__builtin_ctz(answers->owed);
    a->broken = LAW_agreement;
    const lm_allocator *allocator = a->allocators[a->place];
    uint32_t size = operation->argument[1];
    snprintf(a->finding, sizeof a->finding,
             "%s refuses %s %u bytes with room for them, which %d of %zu strategies serve",
             allocator->name, operation->verb == TRACE_RESIZE ? "a resize to" : "a block of", size,
             count_of(answers->served), a->count);
    return false;
}

bool differential_run(differential *a, heap_player *p, const heap_options *options,
                      const trace_operation *operations, size_t count, size_t *at) {
    a->broken = LAW_NONE;
    memset(a->answers, 0, sizeof a->answers);
    for (a->place = 0; a->place < a->count; a->place++)
        if (!play_on(a, p, options, operations, count, at)) return false;
    size_t kept = count < DIFFERENTIAL_OPERATIONS_MAX ? count : DIFFERENTIAL_OPERATIONS_MAX;
    for (*at = 0; *at < kept; ++*at)
        if (!holds(a, &operations[*at], &a->answers[*at])) return false;
    return true;
}
