// Plays heap operations of a trace on one strategy under the oracle, one after the other.
//
// It plays the heap's verbs (a z r f g n w h ( ) x t), and wrong calls (!) if the options say so;
// it skips all others. If an allocation failed, operations on its block are skipped, and its free
// is a free of NULL. If a strategy has no scopes, `)` frees the scope's blocks one by one; if it
// frees no blocks, `f` is a call that does nothing. Odd-numbered blocks are freed with their size.
// From the first `w` on, every growth moves the base as well.
//
// If a strategy shares threads, each lane is a thread, by its number. The lanes call in the trace's
// order, one at a time, so that every play is the same. `t` is skipped for other strategies, for
// lanes of LM_THREADS_MAX or more, and if wrong calls are made, because a block that another thread
// has freed is not always known to be free. A memory that threads share never moves: `t` is skipped
// once the memory is moving, and `w` once a lane other than 0 is active or has called.
//
// If a heap starts at HEAP_USED_START_MIN or above, as after a module's data, and no wrong calls
// are made, its memory is not zero at first.
//
// A player is a plain struct that refers only to itself, its memory and the allocator: a copy of it
// and of the memory's bytes, with `memory` and `oracle.memory` adjusted, plays on by itself.
#pragma once

#include "corpus/trace/trace.h"
#include "fuzz/oracle/oracle.h"

enum { HEAP_USED_START_MIN = 1024 };

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

// The result of an operation that allocates or resizes.
typedef enum heap_answer { HEAP_NOT_ASKED, HEAP_SERVED, HEAP_REFUSED } heap_answer;

typedef struct heap_player {
    lm_memory memory;
    oracle oracle;
    heap_options options;
    uint64_t opened;    // a bit for each scope that is open in the heap
    uint32_t depth;     // scopes that are open in the trace
    uint32_t unwalked;  // operations since the last walk
    uint32_t skipped;   // allocations not made because the oracle was full
    bool started;       // else the heap has no room, and nothing is played
    heap_answer answer; // of the last operation played
} heap_player;

// Creates the memory, which each play resets. Returns false if there is no address space left.
bool heap_player_create(heap_player *player);
void heap_player_destroy(heap_player *player);

// Starts an empty heap at the place in the `h` operation or, if `heap` is NULL, at 16 in a memory
// of one page. Like all functions below, returns false if a law is broken; player->oracle then says
// which.
bool heap_player_start(heap_player *player, const heap_options *options,
                       const trace_operation *heap);
bool heap_player_play(heap_player *player, const trace_operation *operation);

// Closes all scopes, frees all blocks and checks law `conservation` (oracle_conserves).
bool heap_player_end(heap_player *player);

// Starts, plays all operations up to an exit, and ends; then plays the same on the counted
// strategy, if there is one, and each checkerboard in a new heap of it. `at` is the operation that
// broke a law; at the end, `count` or the index of the exit.
bool heap_player_run(heap_player *player, const heap_options *options,
                     const trace_operation *operations, size_t count, size_t *at);
