// bins: small bins, tree bins, a designated victim, and a top that is used last (dlmalloc's).
//
// Idea: the policy of the malloc that most programs were written on. A small request takes a free
// block of exactly its size; else a piece of the victim, the rest of the last split, so that
// requests in a row are placed in a row; else the smallest free block that fits, whose rest is the
// next victim. A large request takes the best fit. The wilderness serves only what nothing else
// does.
//
// Source: D. Lea, "A memory allocator" (1996 to 2012), dlmalloc 2.8: its bins, tries and victim,
// here with the blocks of boundary_tags.inc.h. Differences: a bin with a trie holds a whole power
// of two, not half of one; no block is mapped separately; blocks are 16 bytes apart.
//
// Layout: bins 1 to 31 are lists of blocks of one size, bins 32 to 54 tries of a power of two each
// (size_tries.inc.h). Bin 64 holds the victim, if there is one.
//
// Time: a trie has as many levels as sizes have bits, so allocate and free take at most some 30
// steps in any heap, mostly one or two; growth O(1) and one growth; allocate_zeroed and a resize
// that copies O(size); reset and validate O(blocks).
// Space: 4 bytes a live block, rounded up to 16; 288 bytes for the heap.
//
// Bound: best fit's, M + (B + 2)n for M live bytes at most, in B blocks of up to n; the victim does
// not improve it. Programs waste little (Johnstone and Wilson 1998).
//
// Good at: low waste, locality, short paths if sizes repeat. Bad at: the steps of tlsf are bounded
// more tightly, and paged does less in each.
#include "alloc/strategies/strategy.h"

enum { VICTIM = 64 }; // behind the lists and tries
#define BINS (VICTIM + 1)

typedef struct block_index {
    uint32_t map[VICTIM / 32 + 1];
    uint32_t heads[BINS];
} block_index;

#define INDEX_KNOWS_RESTS
#include "alloc/strategies/fit/boundary_tags.inc.h"

#define BIN_OF_ANY VICTIM
#define BIN_OF     tries_bin
#define BIN_MARK   tries_mark
#define BIN_MARKED tries_marked
#define BINS_AND_MORE
#include "alloc/strategies/fit/size_bins.inc.h"

#include "alloc/strategies/fit/size_tries.inc.h"

_Static_assert((uint32_t)VICTIM == (uint32_t)TRIES_END, "the victim's is the bin behind the tries");

// The victim may have the size of a trie, but is on a list of its own.
static void index_remove(heap *h, uint32_t block) {
    if (block == h->index.heads[VICTIM])
        bins_remove(h, block);
    else
        tries_remove_any(h, block);
}

static inline void index_insert_rest(heap *h, uint32_t block, uint32_t bytes, uint32_t taken) {
    uint32_t victim = h->index.heads[VICTIM];
    if (victim && taken >> TRIES_LOG2) {
        index_insert(h, block, bytes);
        return;
    }
    if (victim) {
        bins_remove(h, victim);
        index_insert(h, victim, boundary_bytes(h, victim));
    }
    bins_insert(h, block, VICTIM);
}

static inline uint32_t index_find(heap *h, uint32_t bytes) {
    uint32_t victim = h->index.heads[VICTIM],
             most = -bytes; // below the rest of any block that is too small, modulo 2^32
    bool small = bytes >> TRIES_LOG2 == 0;
    if (small && tries_marked(&h->index, bytes >> 4)) return h->index.heads[bytes >> 4];
    if (victim && boundary_bytes(h, victim) >= bytes) {
        if (small) return victim;
        most = boundary_bytes(h, victim) - bytes;
    } else {
        victim = 0;
        uint32_t lists = small ? h->index.map[0] & ~0u << (bytes >> 4) : 0;
        if (lists) return h->index.heads[__builtin_ctz(lists)];
    }
    uint32_t best = h->index.map[1] ? tries_find(h, bytes, most) : 0;
    return best ? best : victim;
}

LM_STRATEGY(bins, boundary, .idea = "small bins, tree bins, a victim, a top (dlmalloc's)",
            .bound = "M + (B + 2) n: a gap before each of B live blocks, up to n",
            .capabilities = BOUNDARY_CAPABILITIES | LM_CONSTANT_TIME,
            .allocate_dirty = boundary_allocate_dirty, .heap_bytes_max = boundary_heap_bytes_max);
