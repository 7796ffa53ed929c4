// Traces of the heap world's moves and probes.
#include "fuzz/explore/explorer/heap_world_state.h"

#include <string.h>

// The number of each block, by its index.
static void name_blocks(const heap_world *w, uint32_t *numbers) {
    const oracle *o = &w->player.heap.oracle;
    for (uint32_t i = 0; i < o->count && i < LIVE_MAX; i++)
        numbers[i] = o->extents[o->order[i]].number;
}

typedef struct telling {
    heap_world *world;
    trace_builder *builder;
    trace_error *error;
    uint32_t begun; // blocks, failed allocations included
    // By index in the state before the last move, which is how probes name blocks, followed by the
    // block that the move begins.
    uint32_t numbers[LIVE_MAX];
} telling;

static bool tell(telling *t, trace_operation operation) {
    t->begun += operation.verb == TRACE_ALLOCATE || operation.verb == TRACE_ZEROED;
    return trace_builder_append(t->builder, &operation, t->error);
}

// Appends a move, and plays it if it is not the one that breaks the law.
static bool tell_move(telling *t, uint32_t move, bool play) {
    heap_world *w = t->world;
    uint32_t refusals = heap_world_refusals(move), count = w->player.heap.oracle.count;
    name_blocks(w, t->numbers);
    if (count < LIVE_MAX) t->numbers[count] = t->begun;
    trace_operation operation = heap_world_operation(w, move, t->numbers, t->begun);
    if (refusals && !tell(t, (trace_operation){.verb = TRACE_REFUSE, .argument = {refusals}}))
        return false;
    if (!tell(t, operation)) return false;
    if (play) heap_world_play(w, &operation, refusals);
    return true;
}

static bool tell_probes(telling *t, const trace_operation *probes, uint32_t count) {
    uint32_t probed[2] = {0};
    for (uint32_t i = 0; i < count; i++) {
        trace_operation operation = probes[i];
        uint32_t own = operation.argument[0] - PROBE, *number = &operation.argument[0];
        if (own > 1)
            *number = t->numbers[*number];
        else if (operation.verb == TRACE_RESIZE || operation.verb == TRACE_FREE)
            *number = probed[own];
        else
            *number = probed[own] = t->begun;
        if (operation.verb == TRACE_FREE) operation.argument[1] = operation.argument[2] = 0;
        if (!tell(t, operation)) return false;
    }
    return true;
}

bool heap_world_trace(explorer_world *world, const uint32_t *moves, size_t count,
                      trace_builder *builder, trace_error *error) {
    heap_world *w = heap_world_of(world);
    telling t = {.world = w, .builder = builder, .error = error};
    static trace_operation probes[PROBES_MAX];
    uint32_t probe_count = w->probe_count;
    bool ended = w->ended, damages = w->damages;
    memcpy(probes, w->probes, sizeof probes);
    trace_operation heap = heap_world_heap();
    if (!tell(&t, heap)) return false;
    // A start that breaks a law is not played again.
    if (count || ended) heap_world_start(w, &heap);
    w->played_pages = LM_PAGES_MAX;
    w->damages = damages;
    for (size_t i = 0; i < count; i++)
        if (!tell_move(&t, moves[i], i + 1 < count || ended)) return false;
    return tell_probes(&t, probes, probe_count) && trace_builder_close(builder, error);
}
