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
    COLUMN_BITS = LM_GEOMETRY(5, 2),
    COLUMNS = 1 << COLUMN_BITS,   // the bits of a word
    FIRST_LOG2 = COLUMN_BITS + 4, // of row 1: rows 0 and 1 step by 16 bytes
    ROWS = 32 - FIRST_LOG2 + 1,
};
#define BINS (ROWS * COLUMNS)

typedef struct block_index {
    uint32_t rows;
    uint32_t columns[ROWS + 1]; // one more, always empty: a search may begin behind the last bin
    uint32_t heads[BINS];
} block_index;

#include "alloc/strategies/fit/boundary_tags.inc.h"

static inline uint32_t bin_of(uint32_t bytes) {
    uint32_t log2 = 31 - (uint32_t)__builtin_clz(bytes | 1 << FIRST_LOG2);
    return ((log2 - FIRST_LOG2) << COLUMN_BITS) + (bytes >> (log2 - COLUMN_BITS));
}

static inline bool bin_marked(const block_index *index, uint32_t bin) {
    uint32_t row = bin / COLUMNS;
    return (index->rows >> row & 1) && (index->columns[row] >> bin % COLUMNS & 1);
}

static inline void bin_mark(block_index *index, uint32_t bin, bool holds) {
    uint32_t row = bin / COLUMNS;
    index->columns[row] ^= 1u << bin % COLUMNS;
    if (holds || !index->columns[row])
        index->rows = (index->rows & ~(1u << row)) | (uint32_t)holds << row;
}

#define BIN_OF     bin_of
#define BIN_MARK   bin_mark
#define BIN_MARKED bin_marked
#include "alloc/strategies/fit/size_bins.inc.h"

static inline uint32_t index_find(heap *h, uint32_t bytes) {
    const block_index *index = &h->index;
    uint32_t bin = bin_of(bytes - 1) + 1; // the first whose blocks all fit
    uint32_t row = bin / COLUMNS, columns = index->columns[row] & ~0u << bin % COLUMNS;
    if (LM_UNLIKELY(!columns)) {
        uint32_t rows = index->rows & ~1u << row;
        if (LM_UNLIKELY(!rows)) { // a block of the bin before may fit
            uint32_t block = index->heads[bin_of(bytes)];
            return block && bytes_of(h, block) >= bytes ? block : 0;
        }
        row = (uint32_t)__builtin_ctz(rows);
        columns = index->columns[row];
    }
    return index->heads[row * COLUMNS + (uint32_t)__builtin_ctz(columns)];
}

static uint64_t tlsf_heap_bytes_max(const lm_demand *demand) {
    uint64_t fit = demand->block_bytes + demand->alignment;
    fit += fit / COLUMNS + LM_BLOCK_ALIGNMENT;
    return lm_heap_bytes(lm_gaps_bound(demand, fit), FIRST);
}

LM_STRATEGY(tlsf, boundary, .idea = "bins by size in two levels, bitmaps, merging: all O(1)",
            .bound = "M + (B + 2) 33/32 n: a gap before each of B live blocks",
            .capabilities = LM_FREES_BLOCKS | LM_RESIZES_IN_PLACE | LM_IN_LINEAR_MEMORY |
                            LM_HOLDS_CONTENT | LM_CONSTANT_TIME | LM_MERGES,
            .allocate_dirty = boundary_allocate_dirty, .heap_bytes_max = tlsf_heap_bytes_max);
