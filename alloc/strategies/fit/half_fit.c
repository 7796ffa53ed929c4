// half_fit: bins by powers of two; a request takes from the first bin whose every block fits.
//
// Idea: a free block of 2^k … 2^(k+1) − 1 bytes is in bin k. A request is served from the bin of
// the next power of two or above, where every block fits: one bit scan, no search. If all those are
// empty, the first block of the bin below may fit; the original does not try it. The rest of the
// block becomes a free block. Every operation takes constant time, less than in tlsf, whose bins
// are finer.
//
// Source: T. Ogasawara, "An algorithm with constant execution time for dynamic storage allocation",
// RTCSA 1995. Blocks, merging and growth are boundary_tags.inc.h, the lists and their laws
// size_bins.inc.h.
//
//     bin 4       16
//     bin 5       32 … 48
//     bin 6       64 … 112         a request of 80 bytes begins at bin 7
//     bin 31      2^31 …
//
// Time: allocate, free, resize in place O(1); growth O(1) and one growth; allocate_zeroed and a
// resize that copies O(size); reset and validate O(blocks).
// Space: 4 bytes a live block, rounded up to 16; 144 bytes for the heap.
//
// Bound: M + (B + 2) 2n for M live bytes at most, in B blocks of up to n: a request may ignore
// fitting blocks of up to twice its size less one granule (incomplete memory use, in Ogasawara's
// words). o1heap's 2M(1 + ceil(log2 n)) does not hold here: o1heap rounds each block up to a power
// of two. Here a free block of n can be cut so that its last granule stays live and the rest has
// n - 1, round after round; boundary_tags_test does so.
//
// Good at: bounded time, little code. Bad at: waste: freed blocks of one size are found again only
// if the size is a power of two, or if no larger block is free.
#include "alloc/strategies/strategy.h"

#define BINS 32

typedef struct block_index {
    uint32_t map; // a bit for each bin
    uint32_t heads[BINS];
} block_index;

#include "alloc/strategies/fit/boundary_tags.inc.h"

static inline uint32_t half_fit_bin(uint32_t bytes) {
    return 31 - (uint32_t)__builtin_clz(bytes);
}
static inline bool half_fit_marked(const block_index *index, uint32_t bin) {
    return index->map >> bin & 1;
}
static inline void half_fit_mark(block_index *index, uint32_t bin, bool holds) {
    index->map = (index->map & ~(1u << bin)) | (uint32_t)holds << bin;
}

#define BIN_OF     half_fit_bin
#define BIN_MARK   half_fit_mark
#define BIN_MARKED half_fit_marked
#include "alloc/strategies/fit/size_bins.inc.h"

// Returns the first block of the bin of a size, if it fits; else 0. Not inlined, so that
// allocations that find a larger block pay nothing for it.
static __attribute__((noinline)) uint32_t half_fit_first_of_its_bin(heap *h, uint32_t bytes) {
    uint32_t block = h->index.heads[half_fit_bin(bytes)];
    return block && boundary_bytes(h, block) >= bytes ? block : 0;
}

static inline uint32_t index_find(heap *h, uint32_t bytes) {
    uint32_t below = half_fit_bin(bytes - 1); // all blocks fit in the bins above it
    uint32_t bins = h->index.map & ~1u << below;
    return LM_LIKELY(bins) ? h->index.heads[__builtin_ctz(bins)]
                           : half_fit_first_of_its_bin(h, bytes);
}

static uint64_t half_fit_heap_bytes_max(const lm_demand *demand) {
    uint64_t fit = 2 * (demand->block_bytes + demand->alignment);
    return lm_heap_bytes(lm_gaps_bound(demand, fit), BOUNDARY_FIRST);
}

LM_STRATEGY(half_fit, boundary, .idea = "bins by powers of two, the first where all fit: O(1)",
            .bound = "M + (B + 2) 2n: a gap before each of B live blocks, up to 2n",
            .capabilities = BOUNDARY_CAPABILITIES | LM_CONSTANT_TIME | LM_MERGES,
            .allocate_dirty = boundary_allocate_dirty, .heap_bytes_max = half_fit_heap_bytes_max);
