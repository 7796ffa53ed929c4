#include "fuzz/play/heap_player.h"

#include "fuzz/oracle/broken_walk.h"
#include "fuzz/oracle/steps.h"
#include "fuzz/oracle/wrong_call.h"
#include "fuzz/play/dirty.h"
#include "fuzz/play/fuzz_memory.h"

bool heap_player_create(heap_player *p) {
    *p = (heap_player){0};
    return fuzz_memory_create(&p->memory, &(lm_memory_options){.pages_max = LM_PAGES_MAX});
}

void heap_player_destroy(heap_player *p) {
    fuzz_memory_destroy(&p->memory);
}

bool heap_player_start(heap_player *p, const heap_options *options, const trace_operation *heap) {
    static const trace_operation plain = {.verb = TRACE_HEAP,
                                          .argument = {LM_BLOCK_ALIGNMENT, 1, LM_PAGES_MAX}};
    static const oracle_tracker tracker = {dirty_mark, dirty_zero, dirty_is_zero};
    const uint32_t *world = heap ? heap->argument : plain.argument;
    lm_memory_options memory = {.heap_start = world[0], .pages = world[1], .pages_max = world[2]};
    checked_options checks = {
        .tracker = &tracker,
        .steps = options->allocator == options->counted ? &steps_taken : NULL,
        .wrong_calls = options->wrong_calls,
    };
    fuzz_memory_reset(&p->memory, &memory);
    p->options = *options;
    p->unwalked = 0;
    return checked_start(&p->heap, options->allocator, &p->memory, &checks);
}

static bool play(heap_player *p, const trace_operation *operation) {
    checked_heap *h = &p->heap;
    const uint32_t *a = operation->argument;
    switch (operation->verb) {
    case TRACE_ALLOCATE:
        return checked_allocate(h, a[0], a[1], a[2], false);
    case TRACE_ZEROED:
        return checked_allocate(h, a[0], a[1], a[2], true);
    case TRACE_RESIZE:
        return checked_resize(h, a[0], a[1]);
    case TRACE_FREE:
        return checked_free(h, a[0]);
    case TRACE_GROW:
        return checked_grow_foreign(h, a[0]);
    case TRACE_REFUSE:
        lm_memory_refuse(&p->memory, a[0]);
        return true;
    case TRACE_LANE:
        checked_thread(h, a[0]);
        return true;
    case TRACE_MOVE:
        checked_move(h);
        return true;
    case TRACE_OPEN:
        return checked_open(h);
    case TRACE_CLOSE:
        return checked_close(h);
    case TRACE_RESET:
        return checked_reset(h);
    case TRACE_WRONG:
        return !p->options.wrong_calls || wrong_call_make(&h->oracle, operation, h->opened != 0);
    default:
        return true;
    }
}

bool heap_player_play(heap_player *p, const trace_operation *operation) {
    p->heap.answer = CHECKED_NOT_ASKED;
    if (!p->heap.started) return true;
    if (!play(p, operation)) return false;
    uint32_t every = p->options.walk_every;
    if (!oracle_walks_cheaply(&p->heap.oracle)) every *= 64;
    if (every == 0 || ++p->unwalked < every) return true;
    p->unwalked = 0;
    return oracle_walk(&p->heap.oracle);
}

bool heap_player_end(heap_player *p) {
    return checked_end(&p->heap);
}

// ---- Rounds -------------------------------------------------------------------------------------

// Converts an operation to a call of a round. Returns false if it has none: refusals, moves, lanes
// and growths by other code are not repeated.
static bool round_call_of(const trace_operation *operation, lm_round_call *call) {
    const uint32_t *a = operation->argument;
    switch (operation->verb) {
    case TRACE_ALLOCATE:
    case TRACE_ZEROED:
        *call = (lm_round_call){LM_ROUND_ALLOCATE, a[0], a[1], a[2]};
        return true;
    case TRACE_RESIZE:
        *call = (lm_round_call){.verb = LM_ROUND_RESIZE, .block = a[0], .size = a[1]};
        return true;
    case TRACE_FREE:
        *call = (lm_round_call){.verb = LM_ROUND_FREE, .block = a[0]};
        return true;
    case TRACE_OPEN:
        *call = (lm_round_call){.verb = LM_ROUND_OPEN};
        return true;
    case TRACE_CLOSE:
        *call = (lm_round_call){.verb = LM_ROUND_CLOSE};
        return true;
    case TRACE_RESET:
        *call = (lm_round_call){.verb = LM_ROUND_RESET};
        return true;
    default:
        return false;
    }
}

static bool play_rounds(heap_player *p, const trace_operation *operations, size_t count) {
    static lm_round_call calls[LM_ROUND_CALLS_MAX];
    size_t made = 0;
    for (size_t i = 0; i < count && made < LM_ROUND_CALLS_MAX; i++)
        made += round_call_of(&operations[i], &calls[made]);
    return oracle_rounds(&p->heap.oracle, calls, made);
}

static bool run(heap_player *p, const heap_options *options, const trace_operation *operations,
                size_t count, size_t *at) {
    bool placed = count && operations[0].verb == TRACE_HEAP;
    *at = 0;
    bool holds = heap_player_start(p, options, placed ? operations : NULL);
    for (*at = placed; holds && *at < count && operations[*at].verb != TRACE_EXIT; *at += holds)
        holds = heap_player_play(p, &operations[*at]);
    uint64_t broken = p->heap.started ? options->broken_walks : 0;
    if (holds && broken && !broken_walks(&p->heap.oracle, broken)) return false;
    bool all = p->heap.started && options->all_broken_walks;
    if (holds && all && !broken_walks_all(&p->heap.oracle)) return false;
    if (!holds || !heap_player_end(p)) return false;
    return !p->heap.started || !options->rounds || play_rounds(p, operations, *at);
}

static bool play_boards(heap_player *p, const heap_options *options) {
    for (uint32_t left = options->boards; left; left &= left - 1)
        if (!heap_player_start(p, options, NULL) ||
            !oracle_checkerboard(&p->heap.oracle, (uint32_t)__builtin_ctz(left)))
            return false;
    return true;
}

bool heap_player_run(heap_player *p, const heap_options *options, const trace_operation *operations,
                     size_t count, size_t *at) {
    if (!run(p, options, operations, count, at)) return false;
    heap_options counted = *options;
    counted.allocator = options->counted;
    counted.rounds = false;
    if (!options->counted) return true;
    return run(p, &counted, operations, count, at) && play_boards(p, &counted);
}
