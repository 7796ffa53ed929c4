// The explorer: every sequence of operations up to a depth, each distinct state visited once.
//
// A world is a system under test: its state is bytes, and each state has possible operations.
// Breadth first from the first state, each operation is played in each new state; a state that was
// seen before is not explored again. So the first violation found has a shortest trace.
//
// States are compared by a 128-bit hash. For a random hash, the probability that any of n states
// collide is at most n² / 2^129: for 10^8 states, 1.5 · 10^-23.
//
// The sequences of 1 … `depth` operations that the exploration covers are counted afterwards, on
// the graph of the states.
#pragma once

#include "alloc/conformance/oracle.h"
#include "corpus/trace/trace.h"

enum {
    EXPLORER_STATE_BYTES_MAX = 1 << 18,
    EXPLORER_MOVES_MAX = 512,
    EXPLORER_DEPTH_MAX = 32,
    EXPLORER_MEMORY_MIB_MAX = 1 << 24,
};

typedef struct explorer_world explorer_world;
typedef struct exploration exploration;

// A move is an operation and, with explorer_world.refused, how many growths are refused in it.
struct explorer_world {
    // Writes the first state. Returns false if a law is broken already.
    bool (*begin)(explorer_world *world, unsigned char *state, size_t *bytes);
    // Go to a state; list its moves.
    void (*load)(explorer_world *world, const unsigned char *state, size_t bytes);
    uint32_t (*moves)(explorer_world *world, uint32_t moves[EXPLORER_MOVES_MAX]);
    // Plays a move in the loaded state under the oracle and writes the resulting state. Returns
    // false if a law is broken.
    bool (*play)(explorer_world *world, uint32_t move, unsigned char *state, size_t *bytes);
    // After `play`: returns the same move with one more growth failing, or 0 if it had no more.
    uint32_t (*refused)(explorer_world *world, uint32_t move);
    // After `play`: what must hold in the state where it led to, once; the world may be used up.
    bool (*end)(explorer_world *world);
    // Plays an operation of a trace after the first state, or after another one, whatever its
    // moves are; then `end` follows. False: a law is broken.
    bool (*perform)(explorer_world *world, const trace_operation *operation);
    // Appends the moves' operations, and whatever `end` added, to a trace, and closes that.
    bool (*trace)(explorer_world *world, const uint32_t *moves, size_t count,
                  trace_builder *builder, trace_error *error);

    // Whether reproducing the finding needs walks over damaged heaps at the end.
    bool (*damages)(const explorer_world *world); // or NULL

    // Optional: called with the results so far after each explored depth.
    void (*told)(explorer_world *world, const exploration *so_far);
    void *context; // its

    uint64_t memory_bytes; // limit of what explorer_run keeps; 0: none

    bool notes;       // the allocator's calls are noted (fuzz/oracle/noted.h)
    size_t key_bytes; // by which the state just written is told apart, its first; 0: all
    law broken;       // by begin, play or end
    char finding[200];
};

struct exploration {
    uint32_t depth;     // that was explored
    bool full;          // no deeper, since that needs more than the world's memory_bytes
    uint64_t states;    // distinct ones, the first included
    uint64_t moves;     // played
    uint64_t sequences; // of 1 … depth operations
    double seconds;
    law broken; // LAW_NONE: all laws hold in all of them
    char finding[200];
    uint32_t moves_to[EXPLORER_DEPTH_MAX + 1]; // that lead to what was found
    uint32_t move_count;
};

// Explores to a depth, with growth refused at every point or never. Traps, crashes and calls that
// do not return within a second are violations, of the laws `trap` and `steps`: after one of them
// the world is not to be used but for its trace. False: out of memory. One at a time.
bool explorer_run(explorer_world *world, uint32_t depth, bool refuse, exploration *result);

// Plays a trace up to its exit, behind which it is only closed, and ends; violations are as above.
// `moves` are the operations that were played.
void explorer_play(explorer_world *world, const trace *trace, exploration *result);
