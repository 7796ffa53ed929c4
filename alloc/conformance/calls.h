// Records the calls on an allocator, so that a failure is reported with the call and its arguments,
// even if the call does not return.
#pragma once

#include "alloc/allocator.h"

#define CALL_OF_NULL INT64_MIN // as the offset of a block: NULL was passed

// Blocks are recorded by their offset from the memory's base.
typedef struct recorded_call {
    const char *name;  // as in alloc/allocator.h; NULL before the first call
    const char *query; // "usable_size" or "validate": the query that runs, or has not returned
    enum { CALL_OF_NONE, CALL_OF_SIZE, CALL_OF_BLOCK } arguments; // CALL_OF_BLOCK: and of a size
    enum { CALL_RETURNS_NOTHING, CALL_RETURNS_TRUTH, CALL_RETURNS_BLOCK } result_kind;
    bool returned, succeeded;
    int64_t block, query_block, result;
    uint64_t size, alignment; // alignment 0: not an argument
} recorded_call;

// Functions that a caller adds to the calls that return blocks.
typedef struct call_checks {
    void (*before_resize)(const void *block, lm_memory *memory); // not yet recorded
    void (*after)(const void *block, lm_memory *memory);         // NULL if the call failed
} call_checks;

// The record that all threads use, in memory of the caller's, which may outlive the process. If
// NULL, each thread has its own.
extern recorded_call *calls_kept;

// Returns the thread's last call that may have changed the heap.
recorded_call *calls_last(void);

// Returns a table that records the calls on `allocator`, without the optional calls that the
// allocator lacks. `checks` may be NULL. There is one such table: the next call changes it.
const lm_allocator *calls_recorded(const lm_allocator *allocator, const call_checks *checks);

// Prints a call, its result and the query that follows it:
// "resize(block at 96, size 250) returned offset 512, then validate()".
void call_print(const recorded_call *call, char *text, size_t bytes);

// Whether the call, or its query, has not returned.
bool call_runs(const recorded_call *call);

// Prints how a call or query ended: "resize(block at 96, size 250) crashes", or "crashes, in no
// call of the allocator".
void call_print_running(const recorded_call *call, const char *how, char *text, size_t bytes);
