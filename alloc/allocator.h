// The allocator interface: one table of functions, for strategies and system mallocs alike.
//
// The memory is the last argument, so that the table can hold a system's own malloc, realloc and
// free without an adapter: in the calling conventions that we build for, an argument that the
// callee does not read costs nothing.
//
// A block has at least the size asked for and is aligned to LM_BLOCK_ALIGNMENT or to the alignment
// asked for. It is live from the call that returns it to the call that frees it. One thread at a
// time calls, unless the allocator states LM_SHARES_THREADS.
//
// alloc/conformance/laws.def lists the laws that the conformance suite checks, by the names that a
// failure prints, each with the capability or table entry that claims it.
// alloc/conformance/minimal.c is the smallest strategy that satisfies them.
#pragma once

#include "alloc/linear_memory.h"

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

// Single bits; a set of capabilities is an unsigned.
typedef enum lm_capability {
#define CAPABILITY(constant, bit, name, meaning) constant = bit,
#include "alloc/capabilities.def"
#undef CAPABILITY
} lm_capability;

// The counts of a heap walk. Bytes are those of the blocks as laid out, not the sizes asked for.
typedef struct lm_census {
    uint64_t live_blocks, live_bytes;
    uint64_t free_blocks, free_bytes;
    uint64_t heap_bytes; // everything that the heap has taken from the memory, its records included
} lm_census;

// The demand on a heap since it started, the input of heap_bytes_max: each number is the maximum so
// far. alloc/conformance/demand.h counts it from outside.
typedef struct lm_demand {
    // The sum over live blocks of block_bytes_max; after a resize, of twice that. While a block
    // stays at its address its share never decreases, because a block that shrinks in place leaves
    // a hole that no block of its old size fits into. While a block is copied it counts twice.
    uint64_t live_bytes;
    uint64_t live_blocks; // one more while a block is copied
    uint64_t block_bytes; // the largest share of one block
    uint64_t alignment;   // the largest asked for
    uint64_t spent_bytes; // of all blocks since the last reset, freed or not, alignment included
    uint64_t foreign_growths; // growths of the memory by other code
    uint64_t foreign_bytes;   // their bytes: a table with an entry for each page covers them too
} lm_demand;

typedef struct lm_allocator {
    const char *name;
    const char *idea;  // one line
    const char *bound; // on the heap's bytes, one line; "none: " and the reason if there is none
    unsigned capabilities;
    int check_level; // as compiled: 0 no checks, 1 checks in constant time, 2 all checks

    // Makes an empty heap at memory->heap_start. Returns false if the memory could not grow; the
    // memory is then unchanged, and start may be called again. O(1).
    bool (*start)(lm_memory *memory);

    // Returns a block, or NULL if out of memory; the heap is then unchanged. A size of
    // 0 gives a block with an address of its own.
    void *(*allocate)(size_t size, lm_memory *memory);

    // allocate, with the first `size` bytes zero.
    void *(*allocate_zeroed)(size_t size, lm_memory *memory);

    // Optional (else NULL): allocate, and stores in *dirty the number of first bytes that may not
    // be zero; the bytes from there to `size` are zero. The caller can then zero them after it has
    // released a lock that other threads wait for.
    void *(*allocate_dirty)(size_t size, size_t *dirty, lm_memory *memory);

    // allocate, with an alignment: a power of two up to 2^31. The block's offset is a multiple of
    // it. Its address is one if the memory's base is; the base is 0 on wasm32 and natively a
    // multiple of LM_PAGE_BYTES at least.
    void *(*allocate_aligned)(size_t alignment, size_t size, lm_memory *memory);

    // Changes the size of a block and keeps the first min(old, new) bytes. Returns its address,
    // which may be a new one, or NULL if out of memory; the block is then unchanged.
    // With size 0 a strategy keeps the block live; a system's realloc may free it and is never
    // called so.
    void *(*resize)(void *block, size_t size, lm_memory *memory);

    // resize for a block of allocate_aligned; `alignment` is the one it was allocated with.
    void *(*resize_aligned)(void *block, size_t size, size_t alignment, lm_memory *memory);

    // Frees a block. `size` is the size last asked for, or 0 if the caller does not know it. NULL
    // is ignored.
    void (*free)(void *block, size_t size, lm_memory *memory);

    // Returns the number of bytes of the block that the caller may use: at least the size asked
    // for.
    size_t (*usable_size)(const void *block, lm_memory *memory);

    // Returns the maximum number of heap bytes, header included, that a block allocated with `size`
    // and `alignment` takes: an upper bound of usable_size and of the growth of live_bytes. After a
    // resize a block may take twice that. Any value for sizes that no heap can serve. NULL in
    // system mallocs.
    uint64_t (*block_bytes_max)(size_t size, size_t alignment);

    // Returns the maximum number of bytes that the heap takes, records and the last page included,
    // if the demand on it was at most `demand`, in any order of calls. Pages that the memory had
    // before start are not included. NULL if there is no bound; `bound` then says why.
    uint64_t (*heap_bytes_max)(const lm_demand *demand);

    // Frees all blocks and closes all scopes. NULL in system mallocs.
    void (*reset)(lm_memory *memory);

    // With LM_NESTS_SCOPES, else NULL. Blocks that are allocated after open_scope are freed by the
    // matching close_scope, which closes the scope opened last. open_scope returns false if the
    // memory could not grow; no scope is then open. close_scope without an open scope is misuse.
    bool (*open_scope)(lm_memory *memory);
    void (*close_scope)(lm_memory *memory);

    // Walks the heap. Returns the name of the first broken law, or NULL if the heap is sound. Fills
    // the census unless it is NULL. O(heap). NULL in system mallocs.
    const char *(*validate)(lm_memory *memory, lm_census *census);
} lm_allocator;

#ifdef __cplusplus
}
#endif
