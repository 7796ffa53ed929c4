// What the heap world's own files share.
#pragma once

#include "fuzz/explore/explorer/heap_world.h"
#include "fuzz/play/heap_player.h"

enum {
    BLOCKS_MAX = 16,
    FOREIGN_MAX = 2,
    PROBED_MAX = 2, // blocks of a probe's own
    LIVE_MAX = BLOCKS_MAX + FOREIGN_MAX + PROBED_MAX,
    PROBES_MAX = 2048,
    PROBE = ORACLE_BLOCKS_MAX / 2, // the number of its first
    HEAP_START = 64,
};

typedef struct block {
    uint32_t offset, size, alignment; // of foreign pages, alignment 0
    uint32_t scope;
} block;

// What a state is besides bytes.
typedef struct head {
    uint16_t pages;
    uint8_t count, foreign, depth, thread, scopes_opened, unused;
    block blocks[LIVE_MAX]; // by offset
} head;

typedef struct heap_world {
    explorer_world world; // first
    heap_world_options options;
    const lm_allocator *allocator;
    heap_player player;                                // under the oracle
    lm_memory bare;                                    // with blocks of junk
    head head;                                         // of the state that was loaded
    head next;                                         // of where the last move led
    unsigned char image[LM_PAGE_BYTES * LM_PAGES_MAX]; // of the state that was loaded
    unsigned char below[HEAP_START];
    uint32_t played_pages, bare_pages; // how far the memories may be written to
    uint32_t growths;                  // that the last move asked for
    uint64_t lost;                     // bytes of an empty heap that are not free
    lm_demand demand_most;             // bound of what can ever be asked of the heap
    lm_census census;
    trace_operation probes[PROBES_MAX]; // that `end` played
    uint32_t probe_count;
    bool ended;
    bool damages;          // what was found needs a damaged heap
    uint32_t broken_walks; // states in which walks over broken heaps were tried
    uint32_t laddered;     // states in which the ladder was played
    uint32_t refusals;     // of a trace that is played: in the next operation
    bool crowded;          // and more blocks live in it than a state has
} heap_world;

static inline heap_world *heap_world_of(explorer_world *world) {
    return (heap_world *)world;
}
static inline bool heap_world_can(const heap_world *w, lm_capability capability) {
    return w->allocator->capabilities & capability;
}

// A law does not hold: false.
bool heap_world_breaks(heap_world *world, law law, const char *how);

// Plays one operation where the player is, under the oracle.
bool heap_world_play(heap_world *world, const trace_operation *operation, uint32_t refusals);

// Plays it on blocks of junk, where `next` is; blocks that live are named by their places. Whether
// all lie then where they lie under the oracle.
bool heap_world_play_bare(heap_world *world, const trace_operation *operation, uint32_t refusals);

// What a move plays, where the block at place i has `numbers[i]`, and a new one gets `number`.
trace_operation heap_world_operation(const heap_world *world, uint32_t move,
                                     const uint32_t *numbers, uint32_t number);
uint32_t heap_world_refusals(uint32_t move);

// What is played more in a state where all will end, as the options say: sizes that no move asks
// for, and walks over damaged heaps.
bool heap_world_probe(heap_world *world);

// As explorer_world.trace.
bool heap_world_trace(explorer_world *world, const uint32_t *moves, size_t count,
                      trace_builder *builder, trace_error *error);
bool heap_world_start(heap_world *world, const trace_operation *heap);
trace_operation heap_world_heap(void);
