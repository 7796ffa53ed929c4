// tlsf: two-level segregated fit.
//
// Idea: free blocks are kept in bins by size, rows that double and COLUMNS steps within a row; two
// levels of bitmaps say which bins hold something. A request is rounded up to the next bin's lower
// bound, so that the first block of the first bin found there fits, whichever it is: no list is
// ever walked. Merging is done at once in every free. Every operation takes constant time.
//
// Source: M. Masmano, I. Ripoll, A. Crespo, J. Real, "TLSF: a new dynamic memory allocator for
// real-time systems", ECRTS 2004. Blocks, merging and growth: boundary_tags.inc.h.
//
// Layout: a bin's number is its row and its column. The first two rows step by 16 bytes, so every
// size below 1 KiB has a bin of its own; later ones by a 32nd of a power of two.
//
//     row 0         0   16   32 ...  496        column = bytes / 16
//     row 1       512  528  544 ... 1008
//     row 2      1024 1056 1088 ... 2016
//     row 23     2^31 ...
//
// Lists and their laws: size_bins.inc.h; the bits of the map are two levels here, and a row's bit
// is set where one of its columns' is.
//
// Costs: allocate, free, resize in place O(1); growth O(1) and one growth; allocate_zeroed and a
// resize that copies O(size); reset and validate O(blocks). 4 bytes a live block, rounded up to 16;
// 3,184 bytes for the heap.
//
// Bound: a request may pass by blocks that fit in its own bin, at most a 32nd larger (the first of
// them is looked at before the memory grows): so M + (B + 2)n and a 32nd of n each, for M bytes
// live at most, B blocks of up to n. Seen in no program.
//
// Good at: bounded time, mixed sizes, low waste. Bad at: nothing much; each operation touches the
// neighbours' tags, so programs of many small blocks with short lives do better with classes in
// pages.
#include "alloc/strategies/strategy.h"

enum {
    SLI = LM_GEOMETRY(5, 2), // second level index: log2 of the lists of each first level
    SL_COUNT = 1 << SLI,     // the bits of a word
    FL_SHIFT = SLI + 4,      // log2 of the sizes of first level 1; 0 and 1 step by 16 bytes
    FL_COUNT = 32 - FL_SHIFT + 1,
};
#define BINS (FL_COUNT * SL_COUNT)

typedef struct block_index {
    uint32_t fl_bitmap; // which first levels have a list that is not empty
    uint32_t
        sl_bitmap[FL_COUNT + 1]; // which lists; one more, always empty: a search may begin there
    uint32_t heads[BINS];
} block_index;

#include "alloc/strategies/fit/boundary_tags.inc.h"

// The list of a size: first level (row) and second level (column) in one number.
static inline uint32_t tlsf_mapping_insert(uint32_t bytes) {
    uint32_t log2 = 31 - (uint32_t)__builtin_clz(bytes | 1 << FL_SHIFT);
    return ((log2 - FL_SHIFT) << SLI) + (bytes >> (log2 - SLI));
}

// The first list whose blocks all have a size.
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
            .capabilities = LM_FREES_BLOCKS | LM_RESIZES_IN_PLACE | LM_IN_LINEAR_MEMORY |
                            LM_HOLDS_CONTENT | LM_CONSTANT_TIME | LM_MERGES,
            .allocate_dirty = boundary_allocate_dirty, .heap_bytes_max = tlsf_heap_bytes_max);
