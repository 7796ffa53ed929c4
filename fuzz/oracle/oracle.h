// The oracle: what a heap must do, known without asking it.
//
// It watches the calls on one heap from outside: every answer is held against a record of what
// lives, by offset, and what lives is filled with a pattern. It keeps nothing inside the heap, and
// is a plain piece of memory: a copy of it goes on with a copy of the heap. It allocates nothing,
// and in fuzz targets it is compiled without instrumentation.
#pragma once

#include "alloc/conformance/demand.h"
#include "alloc/conformance/rounds.h"

typedef enum oracle_law {
#define LAW(name, text) LAW_##name,
#include "fuzz/oracle/laws.def"
#undef LAW
    LAWS,
    LAW_NONE = LAWS,
} oracle_law;

extern const char *const law_names[LAWS + 1]; // "none" for LAW_NONE
extern const char *const law_texts[LAWS];

// The law of that name, or LAW_NONE.
oracle_law law_named(const char *name);

#define LAW_BIT(law) (UINT32_C(1) << (law))

enum {
    ORACLE_BLOCKS_MAX = 1024, // that live at once
    ORACLE_FOREIGN_MAX = 64,
    ORACLE_EXTENTS_MAX = ORACLE_BLOCKS_MAX + ORACLE_FOREIGN_MAX,
    ORACLE_CLEARED_MAX = 1 << 18, // where it is not known which bytes were written to
};

// A block, or pages that somebody else grew the memory by.
typedef struct oracle_extent {
    uint64_t offset;
    uint64_t room;     // that no other may touch: what is usable, one byte at least
    uint64_t usable;   // which is filled
    uint64_t cost_max; // what the strategy states that it takes
    uint64_t counts;   // to the demand
    uint32_t number;   // the block's
    uint32_t size, alignment, scope;
    uint32_t play; // in which of the oracle's plays it lives or lived
    bool live, foreign;
} oracle_extent;

// What was asked for.
typedef struct oracle_request {
    uint32_t number, size, alignment, scope;
    bool zeroed;
} oracle_request;

typedef struct oracle {
    const lm_allocator *allocator;
    lm_memory *memory;
    uint32_t without;  // LAW_BITs that are not held: for ablation
    bool counted;      // the allocator counts its steps
    bool clears;       // what is served, so that no record of an ended block is left in it
    bool reused;       // a block has ended, and others may be served there
    bool haunted;      // one was too large to be cleared
    bool gave_back;    // a reset or a scope's end made room where blocks had been
    oracle_law broken; // the first law broken, or LAW_NONE
    char finding[160]; // how, one line

    uint32_t pages, refusals; // of the memory before the call
    uint32_t pages_begun;     // of the memory when the heap had started
    uint64_t usable, cost;    // of all live blocks
    uint64_t foreign_bytes;   // of all foreign extents
    uint64_t largest;         // that one block served
    lm_demand_meter demand;   // what was asked of the heap
    lm_census census;         // the last walk's
    bool census_is_current;
    uint32_t ended;   // refusals and resets so far
    uint64_t threads; // a bit for each that has called, by memory->thread

    uint32_t count, foreign;            // extents, and those of them that are foreign
    uint32_t play;                      // how often the oracle has begun
    uint32_t reach;                     // how far a block was ever put from its own place
    uint16_t order[ORACLE_EXTENTS_MAX]; // the extents by their offsets
    oracle_extent extents[ORACLE_EXTENTS_MAX];
} oracle;

// A law is broken, and how, as printf takes it. Returns whether to go on: it is not held.
bool oracle_breaks(oracle *oracle, oracle_law law, const char *how, ...)
    __attribute__((format(printf, 3, 4), cold, noinline));

// Every function below that returns bool returns false where a law is broken, and from then on
// `broken` and `finding` say which and how. Time is O(log live) and with what is filled of the
// block: all up to 1 KiB, else its edges and some words between.

// Begins to watch: before the heap starts; and when `start` has been called.
void oracle_begin(oracle *oracle, const lm_allocator *allocator, lm_memory *memory,
                  uint32_t without);
bool oracle_started(oracle *oracle, bool started);

// Before each call on the heap, by memory->thread.
void oracle_before(oracle *oracle);

// Whether a growth may have been refused in the call, and how much the memory could have grown by.
bool oracle_growth_was_refused(const oracle *oracle);
uint64_t oracle_left(const oracle *oracle);

// Whether there was room before the call for a block of `block` bytes at a multiple of `step`: the
// memory could have grown by lm_room_due (alloc/conformance/room.h), or, where the block is a power
// of two and may begin in a free end of the heap, by what that end lacks. False if a growth was
// refused.
bool oracle_had_room(const oracle *oracle, uint64_t block, uint64_t step);

// After an allocation; NULL: it was refused.
bool oracle_allocated(oracle *oracle, const oracle_request *request, void *block);

// The live block of that number, or NULL; its address.
oracle_extent *oracle_find(oracle *oracle, uint32_t number);
static inline void *oracle_address(const oracle *oracle, const oracle_extent *extent) {
    return lm_memory_base(oracle->memory) + extent->offset;
}
// The live block that begins at the offset, or NULL. O(log live).
oracle_extent *oracle_block_at(oracle *oracle, uint64_t offset);
// The extent that the byte at the offset belongs to, or NULL. O(log live).
const oracle_extent *oracle_extent_around(oracle *oracle, uint64_t offset);
// The block of that number, which has ended, as it was last; or NULL: it never was, or its record
// has served another since.
const oracle_extent *oracle_ended(const oracle *oracle, uint32_t number);
// No block more can be watched.
static inline bool oracle_is_full(const oracle *oracle) {
    return oracle->count - oracle->foreign == ORACLE_BLOCKS_MAX;
}

// Before and after a resize. NULL: it was refused.
bool oracle_resizing(oracle *oracle, oracle_extent *extent);
bool oracle_resized(oracle *oracle, oracle_extent *extent, uint32_t size, uint32_t scope,
                    void *block);

// Before a free, or any other end of a block, which is forgotten; and after the call of free.
bool oracle_freeing(oracle *oracle, oracle_extent *extent);
bool oracle_freed(oracle *oracle);

// After open_scope; after close_scope and after a reset, when what they end has been forgotten.
bool oracle_opened(oracle *oracle, bool opened);
bool oracle_closed(oracle *oracle);
bool oracle_reset(oracle *oracle);

// After somebody else grew the memory; he must have less than ORACLE_FOREIGN_MAX growths yet.
bool oracle_foreign(oracle *oracle);

// Walks the heap and holds the census against what lives. O(heap).
bool oracle_walk(oracle *oracle);

// Whether the heap is so small that a walk costs little more than a call. Some look at all of it.
static inline bool oracle_walks_cheaply(const oracle *oracle) {
    return lm_memory_pages(oracle->memory) <= 64;
}

// Whether threads other than 0 have called.
static inline bool oracle_sees_threads(const oracle *oracle) {
    return oracle->threads > 1;
}

// Whether all that lives has its content. O(live).
bool oracle_contents(oracle *oracle);

// Before all blocks are freed in the end: whether all have their content.
bool oracle_ending(oracle *oracle);

// Plays rounds of the calls (alloc/conformance/rounds.h) in a heap in which nothing is live.
bool oracle_rounds(oracle *oracle, const lm_round_call *calls, size_t count);

// Plays a checkerboard (alloc/conformance/checkerboard.h) in a heap that has just started.
bool oracle_checkerboard(oracle *oracle, uint32_t board);

// When all blocks are freed: nothing lives, and the largest request is served again without growth;
// where several threads have called, nothing lives when each has given back what it kept.
// Resets the heap, where that is cheap. O(heap).
bool oracle_conserves(oracle *oracle);
