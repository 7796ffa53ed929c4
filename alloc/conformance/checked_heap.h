// A heap of which every call is made and checked by the oracle. Blocks have numbers that the caller
// chooses; a number can be reused after its block has ended.
//
// If an allocation failed, a resize of its number does nothing, and a free is a free of NULL. If
// the strategy has no scopes, checked_close frees the scope's blocks one by one. Odd-numbered
// blocks are freed with their size.
//
// If a heap starts at CHECKED_USED_START_MIN or above, as after a module's data, and is not made
// for wrong calls, its memory is not zero at first.
#pragma once

#include "alloc/conformance/oracle.h"

enum { CHECKED_USED_START_MIN = 1024 };

typedef struct checked_options {
    const oracle_tracker *tracker; // or NULL
    const uint32_t *steps;         // the counter of the allocator's steps, or NULL
    bool wrong_calls;              // are made between these calls: blocks are zeroed when served
} checked_options;

// The result of the last allocation or resize.
typedef enum checked_answer { CHECKED_NOT_ASKED, CHECKED_SERVED, CHECKED_FAILED } checked_answer;

typedef struct checked_heap {
    oracle oracle;
    uint64_t opened;  // a bit for each scope that is open in the heap
    uint32_t depth;   // scopes that are open for the caller
    uint32_t skipped; // allocations not made because the oracle was full
    bool started;     // otherwise the memory has no room for a heap, and no call may follow
    bool wrong_calls;
    checked_answer answer;
} checked_heap;

// The functions below return false if a law is broken; heap->oracle then says which.

// Starts the allocator in the memory, which is not freed by this module.
bool checked_start(checked_heap *heap, const lm_allocator *allocator, lm_memory *memory,
                   const checked_options *options);

// `zeroed` has no effect with an alignment other than LM_BLOCK_ALIGNMENT.
bool checked_allocate(checked_heap *heap, uint32_t number, uint32_t size, uint32_t alignment,
                      bool zeroed);
bool checked_resize(checked_heap *heap, uint32_t number, uint32_t size);
bool checked_free(checked_heap *heap, uint32_t number);
bool checked_open(checked_heap *heap);
bool checked_close(checked_heap *heap);
bool checked_reset(checked_heap *heap);

// Other code grows the memory.
bool checked_grow_foreign(checked_heap *heap, uint32_t pages);

// The next calls are made by this thread. Does nothing if the strategy does not share threads, the
// memory moves, wrong calls are made (a block that another thread has freed is not always known to
// be free), or the number is LM_THREADS_MAX or above.
void checked_thread(checked_heap *heap, uint32_t thread);

// Moves the memory now, and from here on with every growth. Does nothing if a thread other than 0
// is active or has called.
void checked_move(checked_heap *heap);

// Closes all scopes, frees all blocks, and checks the empty heap (oracle_conserves). Growth is no
// longer refused.
bool checked_end(checked_heap *heap);
