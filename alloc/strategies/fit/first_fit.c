// first_fit: the free block with the lowest address that is large enough.
//
// Idea: requests are served as low as they fit, so small blocks gather at the low end, and large
// free blocks remain at the high end. Wilson, Johnstone, Neely and Boles, "Dynamic storage
// allocation: a survey and critical review" (1995), found that address-ordered first fit and best
// fit waste least on real programs. A list in address order has all the small remains at its front;
// a table of address ranges, each with a trie, finds the very same block.
//
// Source: Knuth 1, 2.5, algorithm A. Blocks, merging and growth are boundary_tags.inc.h, the index
// address_tries.inc.h.
//
// Time: allocate, free and resize in place take at most ADDRESS_GROUPS + 2 ADDRESS_GROUP steps and
// some for each bit of an offset; O(ADDRESS_BUCKETS log n) for n free blocks when a block is freed
// beyond twice the former extent of the heap; allocate_zeroed and a resize that copies O(size)
// more; reset and validate O(blocks).
// Space: 4 bytes a live block, rounded up to 16, at least 32; 4,192 bytes for the heap.
//
// Bound: lm_first_fit_bound, M(2 + log2 n) for M live bytes at most, in blocks of up to n granules:
// the best known for a practical policy. Robson's, for blocks that are allocated and freed only, is
// M(1 + ceil(log2 n)) (1977, as given by o1heap).
//
// Good at: low fragmentation over a long run. Bad at: time, as a block's place depends on all that
// is below it: in lua, an allocation visits 4 groups, 18 buckets and 2.4 blocks, and the processor
// cannot predict where the search ends. 38 ns an operation, against 13 of tlsf, which takes any
// block that fits, and 5 of paged; 25 against 10 and 4 in cc1plus, 26 against 10 and 4 in python3.
#include "alloc/strategies/fit/address_tries.inc.h"

static inline uint32_t index_find(heap *h, uint32_t bytes) {
    return address_first_from_bucket(h, 0, bytes);
}

static uint64_t first_fit_heap_bytes_max(const lm_demand *demand) {
    return lm_heap_bytes(lm_first_fit_bound(demand), BOUNDARY_FIRST);
}

LM_STRATEGY(first_fit, boundary, .idea = "the lowest free block that fits, by a table and tries",
            .bound = "M (2 + log2 n); with alignments M + (B + 2) n",
            .capabilities = BOUNDARY_CAPABILITIES | LM_MERGES,
            .allocate_dirty = boundary_allocate_dirty, .heap_bytes_max = first_fit_heap_bytes_max);
