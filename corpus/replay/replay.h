// A replay is a trace compiled for fast playing. It is one flat, read-only mapping
// without pointers, so that it is compiled once and shared by many processes.
//
// The player keeps each live block in a *slot*. Slots are reused last in, first out, so that the
// table of slots is as small as the trace's working set; with lane turns they are reused first in,
// first out among many spare ones, so that lanes rarely wait for each other. Four consecutive steps
// that allocate or free are a *group*, which takes one dispatch (a superinstruction, as in Ertl and
// Gregg 2003) instead of four: a mispredicted dispatch costs as much as a malloc.
#pragma once

#include "alloc/linear_memory.h"
#include "corpus/trace/trace.h"

typedef enum replay_verb {
    REPLAY_ALLOCATE, // groups consist of these three
    REPLAY_FREE,
    REPLAY_ZEROED,
    REPLAY_RESIZE,         // two steps: the second holds {0, old size}
    REPLAY_ALIGNED,        // two steps: the second holds {alignment, 0}
    REPLAY_ALIGNED_ZEROED, // two steps, the same
    REPLAY_ALIGNED_RESIZE, // two steps: the second holds {alignment, old size}
    REPLAY_GROW,           // size: pages
    REPLAY_REFUSE,         // size: count
    REPLAY_MOVE,
    REPLAY_GROUP, // and above: codes of groups, in their first steps
} replay_verb;

enum {
    REPLAY_VERB_BITS = 7,
    REPLAY_GROUP_STEPS = 4,
    REPLAY_GROUP_VERBS = 3,
    REPLAY_GROUPS = 81,
};

typedef struct replay_step {
    uint32_t slot_and_code; // slot << REPLAY_VERB_BITS | verb, or the group's code
    uint32_t size; // a resize to 0 is compiled as one to 1, since a system's realloc may free
} replay_step;

static inline uint32_t replay_step_code(const replay_step *step) {
    return step->slot_and_code & ((1u << REPLAY_VERB_BITS) - 1);
}
static inline uint32_t replay_step_slot(const replay_step *step) {
    return step->slot_and_code >> REPLAY_VERB_BITS;
}

// The code of a group, by the verbs of its four steps.
#define REPLAY_GROUP_CODE(a, b, c, d) (REPLAY_GROUP + (((a)*3 + (b)) * 3 + (c)) * 3 + (d))

// A step's own verb, whether it heads a group or not.
static inline replay_verb replay_step_verb(const replay_step *step) {
    uint32_t code = replay_step_code(step);
    return code < REPLAY_GROUP
               ? (replay_verb)code
               : (replay_verb)((code - REPLAY_GROUP) / (REPLAY_GROUPS / REPLAY_GROUP_VERBS));
}

// How many steps an operation takes.
static inline uint32_t replay_verb_steps(replay_verb verb) {
    return verb >= REPLAY_RESIZE && verb <= REPLAY_ALIGNED_RESIZE ? 2 : 1;
}

// Returns what the second step of an operation holds, or 0 and the default alignment if it has
// none.
static inline uint32_t replay_step_old_size(const replay_step *step) {
    replay_verb verb = replay_step_verb(step);
    return verb == REPLAY_RESIZE || verb == REPLAY_ALIGNED_RESIZE ? step[1].size : 0;
}
static inline uint32_t replay_step_alignment(const replay_step *step) {
    replay_verb verb = replay_step_verb(step);
    return verb >= REPLAY_ALIGNED && verb <= REPLAY_ALIGNED_RESIZE ? step[1].slot_and_code
                                                                   : (uint32_t)LM_BLOCK_ALIGNMENT;
}

// A timed operation of a lane, for the lane's own thread. Operations on a slot take place in the
// recorded order across all lanes: each waits for its turn.
typedef struct replay_turn {
    uint32_t slot, turn; // turn: the number of earlier operations on the slot
    uint32_t verb;       // a heap call's
    uint32_t size, alignment, old_size;
} replay_turn;

typedef struct replay {
    uint64_t bytes;                     // of the whole mapping
    uint64_t steps, steps_timed;        // the timed ones come first; the rest closes the trace
    uint64_t operations;                // timed heap calls: the divisor of "ns per operation"
    uint64_t placements;                // words of the placement list
    uint64_t peak_live_bytes;           // the largest sum of the sizes asked for
    uint64_t largest_bytes;             // the largest block
    uint64_t packed_bytes;              // the end of the placements in an empty memory
    uint64_t steps_at, placements_at;   // offsets in the mapping
    uint64_t turns_at;                  // lane by lane; 0: lanes cannot be played on threads
    uint64_t lane_ends[LM_THREADS_MAX]; // the end of each lane, in turns
    uint32_t slots;
    uint32_t lanes;
} replay;

static inline const replay_step *replay_steps(const replay *replay) {
    return (const replay_step *)(const void *)((const char *)replay + replay->steps_at);
}
static inline const replay_turn *replay_turns(const replay *replay) {
    return (const replay_turn *)(const void *)((const char *)replay + replay->turns_at);
}
static inline const uint32_t *replay_placements(const replay *replay) {
    return (const uint32_t *)(const void *)((const char *)replay + replay->placements_at);
}

// Returns the pages of a memory that holds all placements, and the largest block at its start: what
// a yardstick needs (alloc/system/yardsticks.h).
static inline uint32_t replay_pages_at_once(const replay *replay) {
    uint64_t largest = replay->largest_bytes + LM_BLOCK_ALIGNMENT;
    uint64_t bytes = largest > replay->packed_bytes ? largest : replay->packed_bytes;
    uint64_t pages = (bytes + LM_PAGE_BYTES - 1) / LM_PAGE_BYTES;
    return pages < LM_PAGES_MAX ? (uint32_t)pages : LM_PAGES_MAX;
}

// Compiles a trace, which is first lowered to one heap if necessary (corpus/trace/lowering.h).
// Compiles the lanes' turns if there are 2 … LM_THREADS_MAX lanes and the timed part has only heap
// calls. Adds the placements of an ideal allocator: one word for each block (its offset), two for
// each resize (the offset, and the number of bytes to copy there, 0 if the block stays). Returns
// the descriptor of a memory file with the replay, or −1 with `error` if the trace has nothing to
// time, if its blocks do not fit 2^32 bytes, or if out of memory. O(n log n) time, O(n) memory.
int replay_compile(const trace *trace, trace_error *error);

// Maps a compiled replay read-only, with every page present. Returns NULL and sets errno if that
// fails. The caller unmaps it with munmap and replay->bytes.
const replay *replay_map(int descriptor);
