// Probes of a heap state: operations played once in each state before its end (heap_world.h).
#include "fuzz/explore/explorer/heap_world_state.h"

#include "fuzz/oracle/walk_guard.h"

#include <string.h>

enum { LADDERED_MAX = 400, BROKEN_WALKS_MAX = 100, PROBED_BLOCKS_MAX = 2 };

// Plays a probe after the last move. Blocks that a probe allocates are numbered from PROBE on.
static bool probe(heap_world *w, trace_verb verb, uint32_t number, uint32_t size,
                  uint32_t alignment) {
    trace_operation operation = {.verb = verb, .argument = {number, size, alignment}};
    w->probes[w->probe_count++] = operation;
    w->player.options.walk_every = 0; // failed calls walk anyway
    return heap_world_play(w, &operation, 0);
}

// The largest sizes, none of which fits.
static bool probe_largest(heap_world *w) {
    static const uint32_t sizes[] = {UINT32_MAX, UINT32_MAX - 12, UINT32_MAX - 20,
                                     UINT32_C(1) << 31};
    const oracle *o = &w->player.heap.oracle;
    for (uint32_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        if (!probe(w, TRACE_ALLOCATE, PROBE, sizes[i], LM_BLOCK_ALIGNMENT) ||
            !probe(w, TRACE_ZEROED, PROBE, sizes[i], LM_BLOCK_ALIGNMENT) ||
            !probe(w, TRACE_ALLOCATE, PROBE, sizes[i], LM_PAGE_BYTES))
            return false;
        if (o->count == o->foreign) continue;
        const oracle_extent *e = &o->extents[o->order[o->extents[o->order[0]].foreign]];
        if (!e->foreign && !probe(w, TRACE_RESIZE, e->number, sizes[i], 0)) return false;
    }
    return true;
}

// One size, with each alignment: allocated, resized to another size and to 0, freed.
static bool probe_size(heap_world *w, uint32_t size, uint32_t other) {
    for (uint32_t alignment = LM_BLOCK_ALIGNMENT; alignment <= LM_PAGE_BYTES; alignment *= 2)
        if (!probe(w, TRACE_ALLOCATE, PROBE, size, alignment) ||
            !probe(w, TRACE_RESIZE, PROBE, other, 0) || !probe(w, TRACE_RESIZE, PROBE, size, 0) ||
            !probe(w, TRACE_FREE, PROBE, 0, 0))
            return false;
    return probe(w, TRACE_ZEROED, PROBE, size, LM_BLOCK_ALIGNMENT) &&
           probe(w, TRACE_RESIZE, PROBE, 0, 0) &&
           probe(w, TRACE_ALLOCATE, PROBE + 1, size, LM_BLOCK_ALIGNMENT) &&
           probe(w, TRACE_FREE, PROBE, 0, 0) && probe(w, TRACE_FREE, PROBE + 1, 0, 0);
}

// Sizes around those of blocks, with and without their header word.
static bool probe_ladder(heap_world *w) {
    static const uint32_t sizes[] = {0,   1,   12,  13,  16,   17,   28,   29,   44,   61,
                                     64,  65,  124, 125, 128,  129,  252,  253,  256,  257,
                                     508, 509, 512, 513, 1020, 1021, 1024, 1025, 4092, 4097};
    enum { SIZES = sizeof sizes / sizeof *sizes };
    for (uint32_t i = 0; i < SIZES; i++)
        if (!probe_size(w, sizes[i], sizes[(i + 7) % SIZES])) return false;
    return true;
}

// Overwrites one word and walks. The walk must end and must not write to the heap, of which
// `pristine` is a copy. Restores the heap.
static bool walk_damaged(heap_world *w, walk_damage damage, const unsigned char *pristine,
                         size_t bytes) {
    char how[160];
    lm_memory *m = &w->player.memory;
    bool survives = walk_guarded(w->allocator, m, damage, how);
    if (survives && memcmp(m->base, pristine, bytes) == 0) return true;
    memcpy(m->base, pristine, bytes);
    if (survives) walk_guard_print(m, damage, "writes to the heap", how);
    w->damages = true;
    return heap_world_breaks(w, LAW_survives, how);
}

// Damages one word of the heap after the other: the walk must end on any heap; its result is
// ignored.
static bool walk_all_damaged(heap_world *w) {
    static unsigned char pristine[LM_PAGE_BYTES * LM_PAGES_MAX];
    lm_memory *m = &w->player.memory;
    size_t bytes = (size_t)m->pages * LM_PAGE_BYTES;
    bool holds = true;
    memcpy(pristine, m->base, bytes);
    walk_guard_begin();
    for (uint32_t i = m->heap_start / 4; i < bytes / 4 && holds; i++) {
        uint32_t word;
        memcpy(&word, pristine + 4 * (size_t)i, sizeof word);
        const uint32_t values[] = {0, UINT32_MAX, word + LM_BLOCK_ALIGNMENT, word ^ 1, word ^ 2};
        for (uint32_t v = 0; v < sizeof values / sizeof *values && holds; v++)
            holds = walk_damaged(w, (walk_damage){4 * i, values[v]}, pristine, bytes);
    }
    walk_guard_end();
    return holds;
}

bool heap_world_probe(heap_world *w) {
    bool walks = w->options.damage || (w->options.probe && w->broken_walks++ < BROKEN_WALKS_MAX);
    if (walks && !walk_all_damaged(w)) return false;
    if (!w->options.probe || w->next.count > PROBED_BLOCKS_MAX) return true;
    return probe_largest(w) && (w->laddered++ >= LADDERED_MAX || probe_ladder(w));
}
