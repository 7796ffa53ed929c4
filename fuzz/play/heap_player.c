#include "fuzz/play/heap_player.h"

#include "fuzz/oracle/broken_walk.h"
#include "fuzz/oracle/pattern.h"
#include "fuzz/oracle/wrong_call.h"
#include "fuzz/play/dirty.h"

enum {
    SCOPES_MAX = 64,
    USED_BYTES = 65536, // of what was used before: the first 4 KiB, and 256 bytes of each other
    USED_STEP_BYTES = 4096,
    USED_PART_BYTES = 256,
};

static bool can(const heap_player *p, lm_capability capability) {
    return p->oracle.allocator->capabilities & capability;
}

bool heap_player_create(heap_player *p) {
    *p = (heap_player){0};
    return lm_memory_create(
        &p->memory, &(lm_memory_options){.pages_max = LM_PAGES_MAX, .commit = LM_COMMIT_AHEAD});
}

void heap_player_destroy(heap_player *p) {
    lm_memory_destroy(&p->memory);
}

// What lies from the heap's start on is what somebody else left there. Where wrong calls are made
// it must not look like blocks.
static void leave_used(const heap_player *p) {
    uint64_t start = p->memory.heap_start, end = (uint64_t)p->memory.pages * LM_PAGE_BYTES;
    if (start < HEAP_USED_START_MIN || p->options.wrong_calls) return;
    if (end > start + USED_BYTES) end = start + USED_BYTES;
    uint64_t whole_end = start + USED_STEP_BYTES;
    for (uint64_t at = start; at + USED_PART_BYTES <= end;
         at += at < whole_end ? USED_PART_BYTES : USED_STEP_BYTES) {
        pattern_fill(p->memory.base + at, (uint32_t)at, USED_PART_BYTES, 0);
        dirty_mark(p->memory.base + at, USED_PART_BYTES);
    }
}

bool heap_player_start(heap_player *p, const heap_options *options, const trace_operation *heap) {
    static const trace_operation plain = {.verb = TRACE_HEAP,
                                          .argument = {LM_BLOCK_ALIGNMENT, 1, LM_PAGES_MAX}};
    const uint32_t *world = heap ? heap->argument : plain.argument;
    lm_memory_options renewed = {.heap_start = world[0],
                                 .pages = world[1],
                                 .pages_max = world[2],
                                 .commit = LM_COMMIT_AHEAD};
    lm_memory_renew(&p->memory, &renewed, dirty_clear(&p->memory));
    p->options = *options;
    p->opened = 0;
    p->depth = p->unwalked = p->skipped = 0;
    leave_used(p);
    oracle_begin(&p->oracle, options->allocator, &p->memory);
    p->oracle.clears = options->wrong_calls;
    p->started = options->allocator->start(&p->memory);
    return oracle_started(&p->oracle, p->started);
}

// ---- Operations ---------------------------------------------------------------------------------

static bool play_allocate(heap_player *p, const trace_operation *operation) {
    const lm_allocator *allocator = p->oracle.allocator;
    oracle_request request = {.number = operation->argument[0],
                              .size = operation->argument[1],
                              .alignment = operation->argument[2],
                              .scope = p->depth,
                              .zeroed = operation->verb == TRACE_ZEROED};
    if (oracle_is_full(&p->oracle)) {
        p->skipped++;
        return true;
    }
    bool aligned = request.alignment != LM_BLOCK_ALIGNMENT;
    request.zeroed &= !aligned; // who wants both zeroes it himself
    oracle_before(&p->oracle);
    void *block = aligned ? allocator->allocate_aligned(request.alignment, request.size, &p->memory)
                  : request.zeroed ? allocator->allocate_zeroed(request.size, &p->memory)
                                   : allocator->allocate(request.size, &p->memory);
    p->answer = block ? HEAP_SERVED : HEAP_REFUSED;
    return oracle_allocated(&p->oracle, &request, block);
}

static bool play_resize(heap_player *p, const trace_operation *operation) {
    const lm_allocator *allocator = p->oracle.allocator;
    oracle_extent *e = oracle_find(&p->oracle, operation->argument[0]);
    if (!e) return true;
    uint32_t size = operation->argument[1];
    if (!oracle_resizing(&p->oracle, e)) return false;
    void *old = oracle_address(&p->oracle, e);
    oracle_before(&p->oracle);
    void *block = e->alignment == LM_BLOCK_ALIGNMENT
                      ? allocator->resize(old, size, &p->memory)
                      : allocator->resize_aligned(old, size, e->alignment, &p->memory);
    p->answer = block ? HEAP_SERVED : HEAP_REFUSED;
    return oracle_resized(&p->oracle, e, size, p->depth, block);
}

static bool free_block(heap_player *p, oracle_extent *e) {
    void *block = oracle_address(&p->oracle, e);
    if (!oracle_freeing(&p->oracle, e)) return false;
    oracle_before(&p->oracle);
    p->oracle.allocator->free(block, e->number % 2 ? e->size : 0, &p->memory);
    return oracle_freed(&p->oracle);
}

static bool play_free(heap_player *p, const trace_operation *operation) {
    oracle_extent *e = oracle_find(&p->oracle, operation->argument[0]);
    if (e) return free_block(p, e);
    oracle_before(&p->oracle);
    p->oracle.allocator->free(NULL, 0, &p->memory); // which does nothing
    return oracle_freed(&p->oracle);
}

static bool play_open(heap_player *p) {
    uint32_t scope = p->depth++;
    if (!can(p, LM_NESTS_SCOPES) || scope >= SCOPES_MAX) return true;
    oracle_before(&p->oracle);
    bool opened = p->oracle.allocator->open_scope(&p->memory);
    p->opened |= (uint64_t)opened << scope;
    return oracle_opened(&p->oracle, opened);
}

// Ends the blocks of the scopes from `scope` on, the highest first; `freed`: by a call for each.
static bool end_blocks(heap_player *p, uint32_t scope, bool freed) {
    for (uint32_t i = p->oracle.count; i-- > 0;) {
        oracle_extent *e = &p->oracle.extents[p->oracle.order[i]];
        if (e->foreign || e->scope < scope) continue;
        if (!(freed ? free_block(p, e) : oracle_freeing(&p->oracle, e))) return false;
    }
    return true;
}

static bool play_close(heap_player *p) {
    if (p->depth == 0) return true;
    uint32_t scope = --p->depth;
    bool opened = scope < SCOPES_MAX && p->opened >> scope & 1;
    if (!end_blocks(p, scope + 1, !opened)) return false;
    if (!opened) return true;
    p->opened &= ~((uint64_t)1 << scope);
    p->oracle.allocator->close_scope(&p->memory);
    return oracle_closed(&p->oracle);
}

static bool play_reset(heap_player *p) {
    if (!end_blocks(p, 0, false)) return false;
    p->opened = p->depth = 0;
    p->oracle.allocator->reset(&p->memory);
    return oracle_reset(&p->oracle);
}

static bool play_foreign(heap_player *p, const trace_operation *operation) {
    if (p->oracle.foreign == ORACLE_FOREIGN_MAX) return true;
    oracle_before(&p->oracle);
    lm_memory_grow_foreign(&p->memory, operation->argument[0]);
    return oracle_foreign(&p->oracle);
}

static bool play_lane(heap_player *p, const trace_operation *operation) {
    uint32_t lane = operation->argument[0];
    bool shared = can(p, LM_SHARES_THREADS) && !p->memory.moving && !p->options.wrong_calls;
    if (shared && lane < LM_THREADS_MAX) p->memory.thread = lane;
    return true;
}

static bool play_move(heap_player *p) {
    if (p->memory.thread || oracle_sees_threads(&p->oracle)) return true;
    p->memory.moving = true;
    lm_memory_move(&p->memory); // where there is no address space it stays
    return true;
}

static bool play(heap_player *p, const trace_operation *operation) {
    switch (operation->verb) {
    case TRACE_ALLOCATE:
    case TRACE_ZEROED:
        return play_allocate(p, operation);
    case TRACE_RESIZE:
        return play_resize(p, operation);
    case TRACE_FREE:
        return play_free(p, operation);
    case TRACE_GROW:
        return play_foreign(p, operation);
    case TRACE_REFUSE:
        lm_memory_refuse(&p->memory, operation->argument[0]);
        return true;
    case TRACE_LANE:
        return play_lane(p, operation);
    case TRACE_MOVE:
        return play_move(p);
    case TRACE_OPEN:
        return play_open(p);
    case TRACE_CLOSE:
        return play_close(p);
    case TRACE_RESET:
        return play_reset(p);
    case TRACE_WRONG:
        return !p->options.wrong_calls || wrong_call_make(&p->oracle, operation, p->opened != 0);
    default:
        return true;
    }
}

bool heap_player_play(heap_player *p, const trace_operation *operation) {
    p->answer = HEAP_NOT_ASKED;
    if (!p->started) return true;
    if (!play(p, operation)) return false;
    uint32_t every = p->options.walk_every;
    if (!oracle_walks_cheaply(&p->oracle)) every *= 64; // such a walk is paid by many calls
    if (every == 0 || ++p->unwalked < every) return true;
    p->unwalked = 0;
    return oracle_walk(&p->oracle);
}

// ---- The end ------------------------------------------------------------------------------------

// From the highest down; or first every second one, so that the others merge on both sides.
static bool free_all(heap_player *p) {
    uint32_t stride = 1 + p->oracle.count % 2;
    for (uint32_t i = p->oracle.count; stride == 2 && i >= 2; i -= 2) {
        oracle_extent *e = &p->oracle.extents[p->oracle.order[i - 1]];
        if (!e->foreign && !free_block(p, e)) return false;
    }
    return end_blocks(p, 0, true);
}

bool heap_player_end(heap_player *p) {
    if (!p->started) return true;
    lm_memory_refuse(&p->memory, 0);
    while (p->depth)
        if (!play_close(p)) return false;
    if (!oracle_ending(&p->oracle)) return false;
    return free_all(p) && oracle_conserves(&p->oracle);
}

// ---- Rounds -------------------------------------------------------------------------------------

// The operation as a call of a round. False: it is none. Refusals, moves, lanes and the growths of
// somebody else are not played again.
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
    return oracle_rounds(&p->oracle, calls, made);
}

static bool run(heap_player *p, const heap_options *options, const trace_operation *operations,
                size_t count, size_t *at) {
    bool placed = count && operations[0].verb == TRACE_HEAP;
    *at = 0;
    bool holds = heap_player_start(p, options, placed ? operations : NULL);
    p->oracle.counted = options->allocator == options->counted;
    for (*at = placed; holds && *at < count && operations[*at].verb != TRACE_EXIT; *at += holds)
        holds = heap_player_play(p, &operations[*at]);
    uint64_t broken = p->started ? options->broken_walks : 0;
    if (holds && broken && !broken_walks(&p->oracle, broken)) return false;
    bool all = p->started && options->all_broken_walks;
    if (holds && all && !broken_walks_all(&p->oracle)) return false;
    if (!holds || !heap_player_end(p)) return false;
    return !p->started || !options->rounds || play_rounds(p, operations, *at);
}

static bool play_boards(heap_player *p, const heap_options *options) {
    for (uint32_t left = options->boards; left; left &= left - 1)
        if (!heap_player_start(p, options, NULL) ||
            !oracle_checkerboard(&p->oracle, (uint32_t)__builtin_ctz(left)))
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
