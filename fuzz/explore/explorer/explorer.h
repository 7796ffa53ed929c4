// The explorer: every sequence of operations up to a depth, each distinct state visited once.
//
// An explorer_world is a system under test: its state is bytes, and each state has possible
// operations.
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
    // Restores a state; lists its moves.
    void (*load)(explorer_world *world, const unsigned char *state, size_t bytes);
    uint32_t (*moves)(explorer_world *world, uint32_t moves[EXPLORER_MOVES_MAX]);
    // Plays a move in the loaded state under the oracle and writes the resulting state. Returns
    // false if a law is broken.
    bool (*play)(explorer_world *world, uint32_t move, unsigned char *state, size_t *bytes);
    // After `play`: returns the same move with one more growth failing, or 0 if it had no more.
    uint32_t (*refused)(explorer_world *world, uint32_t move);
    // After `play`: checks the resulting state, once, with its probes. May use up the system.
    bool (*end)(explorer_world *world);
    // Plays an operation of a trace after the first state or after another one, whether it is a
    // move or not; `end` follows. Returns false if a law is broken.
    bool (*perform)(explorer_world *world, const trace_operation *operation);
    // Appends the moves' operations and the probes of `end` to a trace, and closes the trace.
    bool (*trace)(explorer_world *world, const uint32_t *moves, size_t count,
                  trace_builder *builder, trace_error *error);

    // Optional: whether reproducing the finding needs walks over damaged heaps at the end.
    bool (*damages)(const explorer_world *world);

    // Optional: called with the results so far after each explored depth.
    void (*told)(explorer_world *world, const exploration *so_far);
    void *context; // for told

    uint64_t memory_bytes; // limit of explorer_run's memory; 0: none

    bool notes;       // the allocator's calls are recorded (alloc/conformance/calls.h)
    size_t key_bytes; // length of the state's prefix that identifies it; 0: all of it
    law broken;       // set by begin, play or end
    char finding[200];
};

struct exploration {
    uint32_t depth;  // explored
    bool full;       // stopped at the memory limit
    uint64_t states; // distinct, with the first one
    uint64_t moves;
    uint64_t sequences; // of 1 … depth operations
    double seconds;
    law broken; // or LAW_NONE
    char finding[200];
    uint32_t moves_to[EXPLORER_DEPTH_MAX + 1]; // the moves to the violation
    uint32_t move_count;
};

// Explores to a depth, without failing growths or with one at every point. Traps and crashes
// violate law `returns`, and calls that do not return within a second violate law `steps`;
// afterwards the world may only be used for its trace. Returns false if out of memory. Not
// reentrant.
bool explorer_run(explorer_world *world, uint32_t depth, bool refuse, exploration *result);

// Replays a trace up to its exit and ends; violations are as above. `moves` is then the number of
// operations played.
void explorer_play(explorer_world *world, const trace *trace, exploration *result);
