// Plays heap operations of a trace on one strategy under the oracle, one after the other.
//
// It plays the heap's verbs (a z r f g n w h ( ) x t), and wrong calls (!) if the options say so;
// it skips all others. alloc/conformance/checked_heap.h makes the calls.
//
// If a strategy shares threads, each lane is a thread, by its number. The lanes call in the trace's
// order, one at a time, so that every play is the same.
//
// A player is a plain struct that refers only to itself, its memory and the allocator: a copy of it
// and of the memory's bytes, with `memory` and `heap.oracle.memory` adjusted, plays on by itself.
#pragma once

#include "alloc/conformance/checked_heap.h"
#include "corpus/trace/trace.h"

typedef struct heap_options {
    const lm_allocator *allocator;
    const lm_allocator *counted; // the same with its steps counted, or NULL
    uint32_t walk_every;         // operations; 0: at failures, resets and the end only
    bool wrong_calls;            // makes `!`, for check level 1 and above; else skips it
    uint64_t broken_walks;       // seed of broken_walks at the end; 0: none
    bool all_broken_walks;       // broken_walks_all at the end
    bool rounds;                 // plays the calls again at the end, in rounds
    uint32_t boards;             // a bit for each checkerboard that is counted after the operations
} heap_options;

typedef struct heap_player {
    lm_memory memory;
    checked_heap heap;
    heap_options options;
    uint32_t unwalked; // operations since the last walk
} heap_player;

// Creates the memory, which each play resets. Returns false if there is no address space left.
bool heap_player_create(heap_player *player);
void heap_player_destroy(heap_player *player);

// Starts an empty heap at the place in the `h` operation or, if `heap` is NULL, at 16 in a memory
// of one page. Like all functions below, returns false if a law is broken; player->heap.oracle then
// says which.
bool heap_player_start(heap_player *player, const heap_options *options,
                       const trace_operation *heap);
bool heap_player_play(heap_player *player, const trace_operation *operation);

// As checked_end.
bool heap_player_end(heap_player *player);

// Starts, plays all operations up to an exit, and ends; then plays the same on the counted
// strategy, if there is one, and each checkerboard in a new heap of it. `at` is the operation that
// broke a law; at the end, `count` or the index of the exit.
bool heap_player_run(heap_player *player, const heap_options *options,
                     const trace_operation *operations, size_t count, size_t *at);
