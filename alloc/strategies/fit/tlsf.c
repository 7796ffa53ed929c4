// tlsf: two-level segregated fit.
//
// Idea: free blocks are in lists by size. The first level (FL) is the power of two, the second (SL)
// one of SL_COUNT equal steps within it; a bitmap for each level says which lists are not empty. A
// request is rounded up to the lower bound of the next list, so any block of the first list that
// the bitmaps find will do, and no list is ever searched. Free merges at once. Every operation
// takes constant time.
//
// Source: M. Masmano, I. Ripoll, A. Crespo, J. Real, "TLSF: a new dynamic memory allocator for
// real-time systems", ECRTS 2004, with its names. Blocks, merging and growth are
// boundary_tags.inc.h, the lists and their laws size_bins.inc.h.
//
// Layout: a list's number is FL * SL_COUNT + SL. The first two FL step by 16 bytes, so each size
// below 1 KiB has a list of its own; later ones step by a 32nd of the power of two.
//
//     FL 0          0   16   32 ...  496        SL = bytes / 16
//     FL 1        512  528  544 ... 1008
//     FL 2       1024 1056 1088 ... 2016
//     FL 23      2^31 ...
//
// Time: allocate, free, resize in place O(1); growth O(1) and one growth; allocate_zeroed and a
// resize that copies O(size); reset and validate O(blocks).
// Space: 4 bytes a live block, rounded up to 16; 3,184 bytes for the heap.
//
// Bound: M + (B + 2) 33/32 n for M live bytes at most, in B blocks of up to n. A request may ignore
// blocks of its own list that would fit, at most a 32nd larger; the first of them is tried before
// the memory grows.
//
// Good at: bounded time, mixed sizes, low waste. Bad at: many small blocks with short lives, as
// each operation touches the neighbours' tags; size classes in pages do better.
#include "alloc/strategies/strategy.h"

enum {
    SLI = LM_GEOMETRY(5, 2), // second level index: log2 of the lists of each first level
    SL_COUNT = 1 << SLI,     // the bits of a word
    FL_SHIFT = SLI + 4,      // log2 of the sizes of first level 1; 0 and 1 step by 16 bytes
    FL_COUNT = 32 - FL_SHIFT + 1,
};
#define BINS (FL_COUNT * SL_COUNT)

typedef struct block_index {
    uint32_t fl_bitmap;               // first levels with a list that is not empty
    uint32_t sl_bitmap[FL_COUNT + 1]; // those lists; the last is none: a search may begin there
    uint32_t heads[BINS];
} block_index;

#include "alloc/strategies/fit/boundary_tags.inc.h"

// The list of a size: its first and second level in one number.
static inline uint32_t tlsf_mapping_insert(uint32_t bytes) {
    uint32_t log2 = 31 - (uint32_t)__builtin_clz(bytes | 1 << FL_SHIFT);
    return ((log2 - FL_SHIFT) << SLI) + (bytes >> (log2 - SLI));
}

// The first list whose blocks all fit.
static inline uint32_t tlsf_mapping_search(uint32_t bytes) {
    return tlsf_mapping_insert(bytes - 1) + 1;
}

static inline bool tlsf_marked(const block_index *index, uint32_t bin) {
    uint32_t fl = bin / SL_COUNT;
    return (index->fl_bitmap >> fl & 1) && (index->sl_bitmap[fl] >> bin % SL_COUNT & 1);
}

static inline void tlsf_mark(block_index *index, uint32_t bin, bool holds) {
    uint32_t fl = bin / SL_COUNT;
    index->sl_bitmap[fl] ^= 1u << bin % SL_COUNT;
    if (holds || !index->sl_bitmap[fl])
        index->fl_bitmap = (index->fl_bitmap & ~(1u << fl)) | (uint32_t)holds << fl;
}

#define BIN_OF     tlsf_mapping_insert
#define BIN_MARK   tlsf_mark
#define BIN_MARKED tlsf_marked
#include "alloc/strategies/fit/size_bins.inc.h"

static inline uint32_t index_find(heap *h, uint32_t bytes) {
    const block_index *index = &h->index;
    uint32_t bin = tlsf_mapping_search(bytes), fl = bin / SL_COUNT;
    uint32_t sl_map = index->sl_bitmap[fl] & ~0u << bin % SL_COUNT;
    if (LM_UNLIKELY(!sl_map)) {
        uint32_t fl_map = index->fl_bitmap & ~1u << fl;
        if (LM_UNLIKELY(!fl_map)) { // a block of the bin before may fit
            uint32_t block = index->heads[tlsf_mapping_insert(bytes)];
            return block && boundary_bytes(h, block) >= bytes ? block : 0;
        }
        fl = (uint32_t)__builtin_ctz(fl_map);
        sl_map = index->sl_bitmap[fl];
    }
    return index->heads[fl * SL_COUNT + (uint32_t)__builtin_ctz(sl_map)];
}

static uint64_t tlsf_heap_bytes_max(const lm_demand *demand) {
    uint64_t fit = demand->block_bytes + demand->alignment;
    fit += fit / SL_COUNT + LM_BLOCK_ALIGNMENT;
    return lm_heap_bytes(lm_gaps_bound(demand, fit), BOUNDARY_FIRST);
}

LM_STRATEGY(tlsf, boundary, .idea = "bins by size in two levels, bitmaps, merging: all O(1)",
            .bound = "M + (B + 2) 33/32 n: a gap before each of B live blocks",
            .capabilities = BOUNDARY_CAPABILITIES | LM_CONSTANT_TIME | LM_MERGES,
            .allocate_dirty = boundary_allocate_dirty, .heap_bytes_max = tlsf_heap_bytes_max);
