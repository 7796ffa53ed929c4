// best_fit: the smallest free block that is large enough; of equal ones the one freed last.
//
// Idea: the remainder is as small as possible, and large blocks stay whole for large requests.
// Wilson et al. (1995) and Johnstone and Wilson (1998) found best fit to waste least or next to
// least of all policies on real programs. No list is searched: small blocks have a list for each
// size, and a bit for each list finds the next size that is there; large blocks are in tries by
// size.
//
// Source: Knuth 1, 2.5, the best-fit method; lists and tries are dlmalloc's (size_tries.inc.h).
// Blocks, merging and growth are boundary_tags.inc.h.
//
//     asked for 48     lists   16  32  48  64  80 ... 496 | 512 ...   tries
//                               *   .   .   *   .      .  |  *
//                                           |  the first bit from 48 on: a block of 64
//
// Time: allocate, free and resize in place take at most some 30 steps, mostly one or two; growth
// O(1) and one growth; allocate_zeroed and a resize that copies O(size) more; reset and validate
// O(blocks).
// Space: 4 bytes a live block, rounded up to 16; 288 bytes for the heap.
//
// Bound: M + (B + 2)n for M live bytes at most, in B blocks of up to n: at most a gap before each
// live block, too short for n. The worst case is near that, about M(n − 2) with n in granules
// (Robson 1977, as given by o1heap), though no real program reaches it.
//
// Good at: low waste, in nearly the time of a good fit: 15 ns an operation in lua and 10 in
// cc1plus, against 13 and 10 of tlsf. Bad at: remainders that are too small to use are all over the
// heap; and as equal blocks are not taken from below, the heap is up to 7 % larger (convert: 17.6
// MiB, 16.4 with the lowest of equals, which took a tree by size and address and 76 ns an
// operation).
#include "alloc/strategies/strategy.h"

#define BINS 64 // lists and tries

typedef struct block_index {
    uint32_t map[BINS / 32];
    uint32_t heads[BINS];
} block_index;

#include "alloc/strategies/fit/boundary_tags.inc.h"

#define BIN_OF     tries_bin
#define BIN_MARK   tries_mark
#define BIN_MARKED tries_marked
#define BINS_AND_MORE
#include "alloc/strategies/fit/size_bins.inc.h"

#include "alloc/strategies/fit/size_tries.inc.h"

static void index_remove(heap *h, uint32_t block) {
    tries_remove_any(h, block);
}

static inline uint32_t index_find(heap *h, uint32_t bytes) {
    if (bytes >> TRIES_LOG2 == 0) {
        uint32_t lists = h->index.map[0] & ~0u << (bytes >> 4);
        if (lists) return h->index.heads[__builtin_ctz(lists)];
    }
    return h->index.map[1] ? tries_find(h, bytes, -bytes) : 0;
}

LM_STRATEGY(best_fit, boundary, .idea = "the smallest free block that fits: bins and tries",
            .bound = "M + (B + 2) n: a gap before each of B live blocks, up to n",
            .capabilities = BOUNDARY_CAPABILITIES | LM_CONSTANT_TIME | LM_MERGES,
            .allocate_dirty = boundary_allocate_dirty, .heap_bytes_max = boundary_heap_bytes_max);
