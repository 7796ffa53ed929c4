// The oracle: checks from outside that a heap keeps the laws of laws.def, call by call.
//
// It observes the calls on one heap, checks every result against its own record of live blocks, by
// offset, and fills live blocks with a pattern. It stores nothing else in the memory and is a plain
// struct: a copy of it works with a copy of the heap. It allocates nothing. The conformance suite,
// the fuzz targets, the explorer and the C programs that reproduce findings use it.
#pragma once

#include "alloc/conformance/demand.h"
#include "alloc/conformance/law.h"
#include "alloc/conformance/rounds.h"

enum {
    ORACLE_BLOCKS_MAX = 1024, // live at the same time
    ORACLE_FOREIGN_MAX = 64,
    ORACLE_EXTENTS_MAX = ORACLE_BLOCKS_MAX + ORACLE_FOREIGN_MAX,
    ORACLE_CLEARED_MAX = 1 << 18,    // bytes zeroed in a block without a tracker
    ORACLE_ZERO_BYTES_MAX = 1 << 22, // bytes of a zeroed block that are checked
};

// A block, or the pages of one foreign growth: a growth by other code.
typedef struct oracle_extent {
    uint64_t offset;
    uint64_t room;     // bytes that no other extent may touch: the usable ones, at least one
    uint64_t usable;   // bytes that carry the pattern
    uint64_t cost_max; // the maximum number of heap bytes, as the strategy states it
    uint64_t counts;   // the share in the demand
    uint32_t number;   // the block's
    uint32_t size, alignment, scope;
    uint32_t play; // the oracle's play in which it was made
    bool live, foreign;
} oracle_extent;

// An allocation request.
typedef struct oracle_request {
    uint32_t number, size, alignment, scope;
    bool zeroed;
} oracle_request;

// Optional hooks of a caller that tracks which bytes of the memory were written to, so that the
// oracle need not touch all of a large block.
typedef struct oracle_tracker {
    void (*wrote)(const void *at, uint64_t bytes); // the oracle has written there
    // Zeroes a range. Returns false, having done nothing, if the memory is not tracked.
    bool (*zero)(void *at, uint64_t bytes);
    // Whether the first ORACLE_ZERO_BYTES_MAX bytes of a range, which is 8-aligned, are zero.
    bool (*is_zero)(const void *at, uint64_t bytes);
} oracle_tracker;

typedef struct oracle {
    const lm_allocator *allocator;
    lm_memory *memory;
    const oracle_tracker *tracker; // or NULL
    const uint32_t *steps; // the counter of the allocator's steps, or NULL if they are not counted
    bool clears;           // zeroes served blocks, so that they contain no records of ended ones
    bool reused;           // a block has ended, so that new ones may take its place
    bool haunted;          // a block in a reused place was too large to be zeroed
    bool gave_back;        // a reset or close_scope has freed the place of blocks
    law broken;            // the first law broken, or LAW_NONE
    uint64_t checked;      // a bit for each law that was checked so far
    char finding[160];     // how, one line

    uint32_t pages, refusals, steps_before; // of the memory and the counter before the call
    uint32_t pages_begun;                   // of the memory when the heap had started
    uint64_t usable, cost;                  // of all live blocks
    uint64_t foreign_bytes;                 // of all foreign extents
    uint64_t largest;                       // the largest size that was served
    lm_demand_meter demand;                 // on the heap
    lm_census census;                       // of the last walk
    bool census_is_current;
    uint32_t ended;   // failed calls and resets so far
    uint64_t threads; // a bit for each thread that has called, by memory->thread

    uint32_t count, foreign;            // extents; foreign ones among them
    uint32_t play;                      // how often the oracle has begun
    uint32_t reach;                     // the longest probe distance in `extents` so far
    uint16_t order[ORACLE_EXTENTS_MAX]; // the live extents, sorted by offset
    oracle_extent extents[ORACLE_EXTENTS_MAX];
} oracle;

// Reports a broken law, with a printf format. Returns false.
bool oracle_breaks(oracle *oracle, law law, const char *how, ...)
    __attribute__((format(printf, 3, 4), cold, noinline));

// The functions below that check laws return false if one is broken; `broken` and `finding` then
// say which and how. Unless stated, they take O(log live), and time proportional to the filled
// bytes of the block: all up to 1 KiB, else both ends and some words between (pattern.h).

// oracle_begin is called before the heap starts, oracle_started after `start`; `tracker`, `steps`
// and `clears` can be set between the two.
void oracle_begin(oracle *oracle, const lm_allocator *allocator, lm_memory *memory);
bool oracle_started(oracle *oracle, bool started);

// Called before each allocation, resize, free, open_scope and foreign growth; the calling thread is
// memory->thread.
void oracle_before(oracle *oracle);

// Returns the bytes that the memory could have grown by before the call.
uint64_t oracle_left(const oracle *oracle);

// Whether there was room before the call for a block of `block` bytes at a multiple of `step`: the
// memory could have grown by lm_room_due (alloc/conformance/room.h), or, if the block is a power of
// two and may begin in a free end of the heap, by the bytes missing there. False if a growth
// failed.
bool oracle_had_room(const oracle *oracle, uint64_t block, uint64_t step);

// Called after an allocation; `block` is NULL if it failed.
bool oracle_allocated(oracle *oracle, const oracle_request *request, void *block);

// Returns the live block of that number, or NULL; oracle_address returns its address.
oracle_extent *oracle_find(oracle *oracle, uint32_t number);
static inline void *oracle_address(const oracle *oracle, const oracle_extent *extent) {
    return lm_memory_base(oracle->memory) + extent->offset;
}
// Returns the live block that begins at the offset, or NULL. O(log live).
oracle_extent *oracle_block_at(oracle *oracle, uint64_t offset);
// Returns the extent that contains the byte at the offset, or NULL. O(log live).
const oracle_extent *oracle_extent_around(oracle *oracle, uint64_t offset);
// Returns the last state of the ended block of that number, or NULL if there was none or its record
// has been reused.
const oracle_extent *oracle_ended(const oracle *oracle, uint32_t number);
// Whether no further block can be recorded.
static inline bool oracle_is_full(const oracle *oracle) {
    return oracle->count - oracle->foreign == ORACLE_BLOCKS_MAX;
}

// Called before and after a resize; `block` is NULL if it failed.
bool oracle_resizing(oracle *oracle, oracle_extent *extent);
bool oracle_resized(oracle *oracle, oracle_extent *extent, uint32_t size, uint32_t scope,
                    void *block);

// oracle_freeing is called before a block ends, by free or otherwise, and drops its record;
// oracle_freed after the call of free.
bool oracle_freeing(oracle *oracle, oracle_extent *extent);
bool oracle_freed(oracle *oracle);

// Called after open_scope; after close_scope and after a reset, with oracle_freeing before for each
// block that they end.
bool oracle_opened(oracle *oracle, bool opened);
bool oracle_closed(oracle *oracle);
bool oracle_reset(oracle *oracle);

// Called after a foreign growth: at most ORACLE_FOREIGN_MAX times.
bool oracle_foreign(oracle *oracle);

// Walks the heap and checks the census against the live blocks. O(heap).
bool oracle_walk(oracle *oracle);

// Whether the memory is small enough to walk often: some walks read all of it.
static inline bool oracle_walks_cheaply(const oracle *oracle) {
    return lm_memory_pages(oracle->memory) <= 64;
}

// Whether threads other than 0 have called.
static inline bool oracle_sees_threads(const oracle *oracle) {
    return oracle->threads > 1;
}

// Checks the content of all live blocks. O(live).
bool oracle_contents(oracle *oracle);

// Called before all blocks are freed at the end: checks their content.
bool oracle_ending(oracle *oracle);

// Plays rounds of the calls (alloc/conformance/rounds.h) in a heap in which nothing is live.
bool oracle_rounds(oracle *oracle, const lm_round_call *calls, size_t count);

// Plays a checkerboard (alloc/conformance/checkerboard.h) in a heap that has just started.
bool oracle_checkerboard(oracle *oracle, uint32_t board);

// Called after all blocks are freed: checks that none is live and that the largest request is
// served again without growth; if several threads have called, also that none is live after each
// has given back its cached blocks. Resets the heap if that is cheap. O(heap).
bool oracle_conserves(oracle *oracle);
