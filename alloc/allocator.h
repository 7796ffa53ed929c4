// The allocator interface: one table of functions, behind which strategies and system mallocs
// stand.
//
// The memory is the last argument, so that a system's own malloc, realloc and free stand in the
// table as they are: an argument that the callee does not read costs nothing in the calling
// conventions we build for, and no peer pays for an adapter that a strategy is spared.
//
// A block is at least as large as asked and aligned to LM_BLOCK_ALIGNMENT, or to what was asked. It
// is live from the call that returned it to the one that frees it. Functions are called by one
// thread at a time unless LM_SHARES_THREADS is stated.
//
// alloc/conformance/laws.def states each law that the conformance suite checks, under the name that
// a failure prints, and which capability or table entry claims it. alloc/conformance/minimal.c is
// the smallest strategy that satisfies them.
#pragma once

#include "alloc/linear_memory.h"

#include <stddef.h>
#include <stdint.h>

// A set of them is an unsigned: the constants are single bits.
typedef enum lm_capability {
#define CAPABILITY(constant, bit, name, meaning) constant = bit,
#include "alloc/capabilities.def"
#undef CAPABILITY
} lm_capability;

// What a walk over the heap counted. `live_bytes` are those of the blocks as laid out, not as
// asked.
typedef struct lm_census {
    uint64_t live_blocks, live_bytes;
    uint64_t free_blocks, free_bytes;
    uint64_t heap_bytes; // all that the heap has taken of the memory, its own records included
} lm_census;

// What has been asked of a heap since it started, as heap_bytes_max needs it: of each number the
// most that it was at any time. alloc/conformance/demand.h counts it from outside.
typedef struct lm_demand {
    // Of all live blocks. A block counts with block_bytes_max, after a resize with twice that; it
    // never counts less than before while it stays where it is, since a block that shrinks in place
    // leaves a hole that nothing of its old size fits into; and while it is copied it counts twice.
    uint64_t live_bytes;
    uint64_t live_blocks; // as many; one more while one is copied
    uint64_t block_bytes; // of one block
    uint64_t alignment;   // that was asked for
    uint64_t spent_bytes; // of all blocks since the last reset, freed or not; what alignment skips
    uint64_t foreign_growths; // how often somebody else has grown the memory
    uint64_t foreign_bytes;   // by how much: a table that has an entry for each page has theirs too
} lm_demand;

typedef struct lm_allocator {
    const char *name;
    const char *idea;  // one line
    const char *bound; // of the heap's bytes, one line; "none: " and why, without heap_bytes_max
    unsigned capabilities;
    int check_level; // that it was compiled at: 0 none, 1 constant-time checks, 2 all

    // Lays out an empty heap at memory->heap_start. False: the memory could not grow; the memory is
    // then as it was, and start may be tried again. O(1).
    bool (*start)(lm_memory *memory);

    // Returns a block, or NULL, and then the heap is unchanged. allocate(0) gives a unique block.
    void *(*allocate)(size_t size, lm_memory *memory);

    // The same, filled with zero.
    void *(*allocate_zeroed)(size_t size, lm_memory *memory);

    // Optional, NULL where the allocator does not know: the same as allocate, and *dirty gets how
    // many of the block's first bytes may not be zero; from there to `size` all are. The caller
    // clears them when it holds no lock that other threads wait for.
    void *(*allocate_dirty)(size_t size, size_t *dirty, lm_memory *memory);

    // The same as allocate, aligned. `alignment` is a power of two up to 2^31. The block's offset
    // is a multiple of it; so is its address if the memory's base is, which is 0 on wasm32 and
    // natively a multiple of LM_PAGE_BYTES at least.
    void *(*allocate_aligned)(size_t alignment, size_t size, lm_memory *memory);

    // Makes the block `size` bytes large; the first min(old, new) bytes are kept. Returns its
    // address, perhaps a new one, or NULL, and then the block is as it was. Size 0 keeps a block
    // live in a strategy; a system's realloc frees it, so nobody asks that of a system malloc.
    void *(*resize)(void *block, size_t size, lm_memory *memory);

    // The same for a block that is to stay aligned: `alignment` is what it was allocated with.
    void *(*resize_aligned)(void *block, size_t size, size_t alignment, lm_memory *memory);

    // Frees a block. `size` is what was asked for it last, or 0 where the caller does not know.
    // NULL is ignored.
    void (*free)(void *block, size_t size, lm_memory *memory);

    // How many bytes of the block may be used: at least what was asked.
    size_t (*usable_size)(const void *block, lm_memory *memory);

    // The most bytes that a block allocated with `size` and `alignment` takes of the heap, its own
    // header included; so the most that usable_size may be, and the most by which live_bytes grows.
    // A resize may leave a block at up to twice that. Of sizes that no heap can serve: anything.
    // NULL in system mallocs.
    uint64_t (*block_bytes_max)(size_t size, size_t alignment);

    // The most that the heap takes, its records and the last page included, when no more than that
    // was asked of it, in whatever order; the pages that the memory had at the start come on top.
    // NULL: there is no bound, and `bound` says why.
    uint64_t (*heap_bytes_max)(const lm_demand *demand);

    // Frees every block at once, and closes all scopes. NULL in system mallocs.
    void (*reset)(lm_memory *memory);

    // With LM_NESTS_SCOPES, else NULL: what is allocated from here on is freed when the scope is
    // closed. False: out of memory, and no scope was opened. Closing ends the one opened last; to
    // close where none is open is misuse.
    bool (*open_scope)(lm_memory *memory);
    void (*close_scope)(lm_memory *memory);

    // Walks the heap. Returns the name of the first law found broken, or NULL; fills the census
    // where one is given. O(heap). NULL in system mallocs.
    const char *(*validate)(lm_memory *memory, lm_census *census);
} lm_allocator;
