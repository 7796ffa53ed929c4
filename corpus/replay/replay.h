// A program: a trace made ready to be played fast. It lies in one flat, read-only piece of memory
// without pointers, so that it is compiled once and shared by many processes.
//
// Blocks are kept in *slots*, reused last in, first out, so that the table of live blocks is as
// small as the program's own working set. Four steps in a row that allocate or free are a *group*,
// which is dispatched at once (a superinstruction, as in Ertl and Gregg 2003): a mispredicted
// dispatch costs as much as a malloc, and this way it comes once in four.
#pragma once

#include "alloc/linear_memory.h"
#include "corpus/trace/trace.h"

typedef enum program_verb {
    PROGRAM_ALLOCATE, // these three may stand in groups
    PROGRAM_FREE,
    PROGRAM_ZEROED,
    PROGRAM_RESIZE,         // two steps: the second holds {0, old size}
    PROGRAM_ALIGNED,        // two steps: the second holds {alignment, 0}
    PROGRAM_ALIGNED_ZEROED, // two steps, the same
    PROGRAM_ALIGNED_RESIZE, // two steps: the second holds {alignment, old size}
    PROGRAM_GROW,           // size: pages
    PROGRAM_REFUSE,         // size: count
    PROGRAM_MOVE,
    PROGRAM_GROUP, // + program_group: what stands in the first step of a group
} program_verb;

enum {
    PROGRAM_VERB_BITS = 7,
    PROGRAM_GROUP_STEPS = 4,
    PROGRAM_GROUP_VERBS = 3,
    PROGRAM_GROUPS = 81,
};

typedef struct program_step {
    uint32_t slot_and_code; // slot << PROGRAM_VERB_BITS | verb, or the group's code
    uint32_t size; // a resize to 0 is played as one to 1, since a system's realloc would free
} program_step;

static inline uint32_t program_step_code(const program_step *step) {
    return step->slot_and_code & ((1u << PROGRAM_VERB_BITS) - 1);
}
static inline uint32_t program_step_slot(const program_step *step) {
    return step->slot_and_code >> PROGRAM_VERB_BITS;
}

// The code of a group, by its three verbs.
#define PROGRAM_GROUP_CODE(a, b, c, d) (PROGRAM_GROUP + (((a) * 3 + (b)) * 3 + (c)) * 3 + (d))

// A step's own verb, whether it heads a group or not.
static inline program_verb program_step_verb(const program_step *step) {
    uint32_t code = program_step_code(step);
    return code < PROGRAM_GROUP
               ? (program_verb)code
               : (program_verb)((code - PROGRAM_GROUP) / (PROGRAM_GROUPS / PROGRAM_GROUP_VERBS));
}

// How many steps an operation takes.
static inline uint32_t program_verb_steps(program_verb verb) {
    return verb >= PROGRAM_RESIZE && verb <= PROGRAM_ALIGNED_RESIZE ? 2 : 1;
}

// What the second step of an operation tells; 0 and the default where there is none.
static inline uint32_t program_step_old_size(const program_step *step) {
    program_verb verb = program_step_verb(step);
    return verb == PROGRAM_RESIZE || verb == PROGRAM_ALIGNED_RESIZE ? step[1].size : 0;
}
static inline uint32_t program_step_alignment(const program_step *step) {
    program_verb verb = program_step_verb(step);
    return verb >= PROGRAM_ALIGNED && verb <= PROGRAM_ALIGNED_RESIZE ? step[1].slot_and_code
                                                                     : (uint32_t)LM_BLOCK_ALIGNMENT;
}

// A timed operation as a lane's own thread plays it. What is done to a slot is done in the recorded
// order, whichever lanes do it: an operation waits for its turn.
typedef struct program_turn {
    uint32_t slot, turn; // how many operations on the slot come before
    uint32_t verb;       // a heap's
    uint32_t size, alignment, old_size;
} program_turn;

typedef struct program {
    uint64_t bytes;                   // of the whole piece
    uint64_t steps, steps_timed;      // the timed ones come first; the rest closes the trace
    uint64_t operations;              // timed: heap calls, what "ns per operation" divides by
    uint64_t placements;              // words of the placement list
    uint64_t peak_live_bytes;         // as asked, the largest sum at any time
    uint64_t largest_bytes;           // the largest block
    uint64_t packed_bytes;            // where the placements end, in an empty memory
    uint64_t steps_at, placements_at; // where they lie, from the start of the piece
    uint64_t turns_at;                // of the lanes, one after the other; 0: they cannot be played
    uint64_t lane_ends[LM_THREADS_MAX]; // in turns
    uint32_t slots;
    uint32_t lanes;
} program;

static inline const program_step *program_steps(const program *program) {
    return (const program_step *)(const void *)((const char *)program + program->steps_at);
}
static inline const program_turn *program_turns(const program *program) {
    return (const program_turn *)(const void *)((const char *)program + program->turns_at);
}
static inline const uint32_t *program_placements(const program *program) {
    return (const uint32_t *)(const void *)((const char *)program + program->placements_at);
}

// Compiles a trace, lowered to one heap first where it has buffers or several memories
// (corpus/trace/lowering.h), and the lanes' turns where it has two or more (up to LM_THREADS_MAX,
// and nothing but heap calls among what is timed), with the placements of an ideal allocator: a
// word for each block (its offset), two for each resize (its offset, and how many bytes to copy
// there; 0: it stays). Returns the descriptor of a memory file that holds the program, or −1: the
// trace has nothing to time, or does not fit 2^32 bytes, or the system is out of memory. O(n log n)
// in time, O(n) in space.
int program_compile(const trace *trace, trace_error *error);

// Maps a compiled program for reading, every page present. NULL: with errno. Unmapped with munmap
// over program->bytes.
const program *program_map(int descriptor);
