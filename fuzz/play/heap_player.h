// Plays heap operations of a trace on one strategy under the oracle, one after the other.
//
// It knows the heap's verbs (a z r f g n w h ( ) x t), makes wrong calls (!) where it is told to,
// and passes over all others. What could not be allocated stands for nothing, in whatever is done
// with it; its free is that of NULL. Where a strategy nests no scopes, a scope's blocks are freed
// by its `)`; where it frees no blocks, `f` is a call that does nothing.
// Every second block, by its number, is freed with its size. From the first `w` on every growth
// moves the base as well.
//
// Where a strategy shares threads, each lane is a thread of its own, by its number: they call in
// the trace's order, one at a time, so that a play is the same every time. Else `t` is passed over;
// so is one of LM_THREADS_MAX or more, and all where wrong calls are made, for what another thread
// freed is not always known as free. A memory that threads share never moves: once it moves, `t` is
// passed over, and once a lane other than 0 acts or has called, `w` is.
//
// Where a heap starts at HEAP_USED_START_MIN or above, as behind a module's data, its memory was
// used before and is not zero; else it is.
//
// A player is a plain struct that refers to nothing but itself, its memory and the allocator: who
// copies it and the memory's bytes (and puts `memory` and `oracle.memory` right) can play on twice.
#pragma once

#include "corpus/trace/trace.h"
#include "fuzz/oracle/oracle.h"

enum { HEAP_USED_START_MIN = 1024 };

typedef struct heap_options {
    const lm_allocator *allocator;
    const lm_allocator *counted; // the same with its steps counted, or NULL
    uint32_t walk_every;         // operations; 0: at refusals, resets and the end only
    uint32_t without;            // LAW_BITs
    bool wrong_calls;            // are made, where the check level catches them; else passed over
    uint64_t broken_walks;       // a seed: in the end the heap is walked with words of it broken
    bool all_broken_walks;       // the same, with all words that are worth it
    bool rounds;                 // in the end the same calls are played again, in rounds
    uint32_t boards;             // a bit for each checkerboard that is counted after the operations
} heap_options;

// What an operation that asks for memory came to.
typedef enum heap_answer { HEAP_NOT_ASKED, HEAP_SERVED, HEAP_REFUSED } heap_answer;

typedef struct heap_player {
    lm_memory memory;
    oracle oracle;
    heap_options options;
    uint64_t opened;    // a bit for each scope that is open in the heap
    uint32_t depth;     // scopes that are open in the trace
    uint32_t unwalked;  // operations since the last walk
    uint32_t skipped;   // blocks that the oracle could not watch
    bool started;       // else the heap has no room, and nothing is played
    heap_answer answer; // to the last operation that was played
} heap_player;

// The memory is made once, and made anew for each play. False: no address space.
bool heap_player_create(heap_player *player);
void heap_player_destroy(heap_player *player);

// Starts an empty heap, where an `h` operation says or, without one, at 16 in a memory of one page.
// Returns false where a law is broken, as all that play do: player->oracle says which.
bool heap_player_start(heap_player *player, const heap_options *options,
                       const trace_operation *heap);
bool heap_player_play(heap_player *player, const trace_operation *operation);

// Closes scopes, frees all, holds conservation. The heap is reset.
bool heap_player_end(heap_player *player);

// Start, all operations up to an exit, behind which a trace is only closed, and end; and once more
// on the counted strategy where there is one, then the checkerboards in a new heap of it each.
// `at`: the operation that broke a law, `count` or that of the exit at the end.
bool heap_player_run(heap_player *player, const heap_options *options,
                     const trace_operation *operations, size_t count, size_t *at);
