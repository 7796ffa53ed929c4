// Shared by the heap_*.c files.
#pragma once

#include "fuzz/explore/explorer/heap_world.h"
#include "fuzz/play/heap_player.h"

enum {
    BLOCKS_MAX = 16,
    FOREIGN_MAX = 2,
    PROBED_MAX = 2, // allocated by probes
    LIVE_MAX = BLOCKS_MAX + FOREIGN_MAX + PROBED_MAX,
    PROBES_MAX = 2048,
    PROBE = ORACLE_BLOCKS_MAX / 2, // the number of the first of these
    HEAP_START = 64,
};

typedef struct block {
    uint32_t offset, size, alignment; // alignment 0: foreign pages
    uint32_t scope;
} block;

// The part of a state before the heap's bytes.
typedef struct head {
    uint16_t pages;
    uint8_t count, foreign, depth, thread, scopes_opened, unused;
    block blocks[LIVE_MAX]; // by offset
} head;

typedef struct heap_world {
    explorer_world world; // must be first
    heap_world_options options;
    const lm_allocator *allocator;
    heap_player player;                                // under the oracle
    lm_memory bare;                                    // with blocks of IMAGE_JUNK
    head head;                                         // of the loaded state
    head next;                                         // of the state after the last move
    unsigned char image[LM_PAGE_BYTES * LM_PAGES_MAX]; // of the loaded state
    unsigned char below[HEAP_START];
    uint32_t played_pages, bare_pages; // the pages that may have been written to
    uint32_t growths;                  // requested by the last move
    uint64_t lost;                     // not free in an empty heap
    lm_demand demand_most;             // an upper bound of the heap's demand
    lm_census census;
    trace_operation probes[PROBES_MAX]; // played by `end`
    uint32_t probe_count;
    bool ended;
    bool damages;          // reproducing the finding needs a damaged heap
    uint32_t broken_walks; // states whose damaged heaps were walked
    uint32_t laddered;     // states in which probe_ladder was played
    uint32_t refusals;     // in a replay: failing growths of the next operation
    bool crowded;          // in a replay: more live blocks than a state can have
} heap_world;

static inline heap_world *heap_world_of(explorer_world *world) {
    return (heap_world *)world;
}
static inline bool heap_world_can(const heap_world *w, lm_capability capability) {
    return w->allocator->capabilities & capability;
}

// Records a broken law. Returns false.
bool heap_world_breaks(heap_world *world, law law, const char *how);

// Plays an operation under the oracle.
bool heap_world_play(heap_world *world, const trace_operation *operation, uint32_t refusals);

// Plays it on blocks of IMAGE_JUNK, whose head is `next`; live blocks are named by index. Returns
// false if the blocks' offsets differ from those under the oracle.
bool heap_world_play_bare(heap_world *world, const trace_operation *operation, uint32_t refusals);

// The operation of a move; the block at index i has `numbers[i]`, a new block gets `number`.
trace_operation heap_world_operation(const heap_world *world, uint32_t move,
                                     const uint32_t *numbers, uint32_t number);
uint32_t heap_world_refusals(uint32_t move);

// Plays the state's probes, as the options say.
bool heap_world_probe(heap_world *world);

bool heap_world_trace(explorer_world *world, const uint32_t *moves, size_t count,
                      trace_builder *builder, trace_error *error);
bool heap_world_start(heap_world *world, const trace_operation *heap);
trace_operation heap_world_heap(void);
