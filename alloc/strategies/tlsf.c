// tlsf: two-level segregated fit.
//
// Idea: free blocks are kept in bins by size, rows that double and COLUMNS steps within a row; two
// levels of bitmaps say which bins hold something. A request is rounded up to the next bin's lower
// bound, so that the first block of the first bin found there fits, whichever it is: no list is
// ever walked. Merging is done at once in every free. Every operation takes constant time.
//
// Source: M. Masmano, I. Ripoll, A. Crespo, J. Real, "TLSF: a new dynamic memory allocator for
// real-time systems", ECRTS 2004. Blocks, merging and growth: boundary_tags.h.
//
// Layout: a bin's number is its row and its column. The first two rows step by 16 bytes, so every
// size below 1 KiB has a bin of its own; later ones by a 32nd of a power of two.
//
//     row 0         0   16   32 ...  496        column = bytes / 16
//     row 1       512  528  544 ... 1008
//     row 2      1024 1056 1088 ... 2016
//     row 23     2^31 ...
//
// A free block begins with two links: the next block of its bin, and the offset of the word that
// links here, in the block before or in the bin's head. Who leaves a list needs no more than that.
//
//     heads[bin] --> [next|link] --> [next|link] --> 0
//
// Laws, besides those of boundary_tags.h (validate's names):
//     free blocks in the index      each free block is linked from where it says
//     bins hold their size          a bin's blocks are free and of its sizes
//     links                         a block's link is where it was found
//     columns bitmap, rows bitmap   a bit is set where a list is not empty
//     index holds free blocks only  as many blocks in bins as free ones in the heap
//
// Costs: allocate, free, resize in place O(1); growth O(1) and one growth; allocate_zeroed and a
// resize that copies O(size); reset and validate O(blocks). 4 bytes a live block, rounded up to 16;
// 3,184 bytes for the heap.
//
// Bound: a request may pass by blocks that fit in its own bin, at most a 32nd larger (the first of
// them is looked at before the memory grows). Worst-case heap as best fit's, about M(n - 2) for M
// bytes live and blocks up to n (after Robson 1977), seen in no program.
//
// Good at: bounded time, mixed sizes, low waste. Bad at: nothing much; each operation touches the
// neighbours' tags, so programs of many small blocks with short lives do better with classes in
// pages.
#include "alloc/strategies/strategy.h"

enum {
    COLUMN_BITS = 5,
    COLUMNS = 1 << COLUMN_BITS,
    FIRST_LOG2 = 9, // of row 1
    ROWS = 32 - FIRST_LOG2 + 1,
};

typedef struct block_index {
    uint32_t rows;
    uint32_t columns[ROWS + 1]; // one more, always empty: a search may begin behind the last bin
    uint32_t heads[ROWS * COLUMNS];
} block_index;

#include "alloc/strategies/boundary_tags.h"

_Static_assert(1 << FIRST_LOG2 == COLUMNS * LM_BLOCK_ALIGNMENT, "rows 0 and 1 step by 16 bytes");
_Static_assert(COLUMNS == 32, "a row's columns are the bits of a word");

static inline word *next_of(heap h, uint32_t block) {
    return word_at(h, block);
}
static inline word *link_of(heap h, uint32_t block) {
    return word_at(h, block + LM_WORD_BYTES);
}
static inline uint32_t head_of(heap h, uint32_t bin) {
    return (uint32_t)((unsigned char *)&h.control->index.heads[bin] - h.base);
}

static inline uint32_t bin_of(uint32_t bytes) {
    uint32_t log2 = 31 - (uint32_t)__builtin_clz(bytes | 1 << FIRST_LOG2);
    return ((log2 - FIRST_LOG2) << COLUMN_BITS) + (bytes >> (log2 - COLUMN_BITS));
}

static inline uint32_t index_find(heap h, uint32_t bytes) {
    const block_index *index = &h.control->index;
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

static inline void index_insert(heap h, uint32_t block, uint32_t bytes) {
    block_index *index = &h.control->index;
    uint32_t bin = bin_of(bytes), next = index->heads[bin];
    *next_of(h, block) = next;
    *link_of(h, block) = head_of(h, bin);
    index->heads[bin] = block;
    if (next) {
        *link_of(h, next) = block;
    } else {
        index->columns[bin / COLUMNS] |= 1u << bin % COLUMNS;
        index->rows |= 1u << bin / COLUMNS;
    }
}

static inline void index_remove(heap h, uint32_t block) {
    block_index *index = &h.control->index;
    uint32_t next = *next_of(h, block), link = *link_of(h, block);
    LM_CHECK(*word_at(h, link) == block);
    LM_CHECK(!next || *link_of(h, next) == block);
    *word_at(h, link) = next;
    if (next) {
        *link_of(h, next) = link;
    } else if (link < h.first) { // the bin's head: the bin is empty
        uint32_t bin = (link - head_of(h, 0)) / LM_WORD_BYTES, row = bin / COLUMNS;
        index->columns[row] &= ~(1u << bin % COLUMNS);
        if (!index->columns[row]) index->rows &= ~(1u << row);
    }
}

static bool index_holds(heap h, uint32_t block) {
    uint32_t link = *link_of(h, block);
    return link % LM_WORD_BYTES == 0 && link - head_of(h, 0) < h.control->top - head_of(h, 0) &&
           *word_at(h, link) == block;
}

// Walks one bin, adding to *found; stops beyond `most`, so that a ring ends.
static const char *bin_law(heap h, uint32_t bin, uint64_t most, uint64_t *found) {
    const block_index *index = &h.control->index;
    uint32_t link = head_of(h, bin), block = index->heads[bin];
    if (!!block != (index->columns[bin / COLUMNS] >> bin % COLUMNS & 1)) return "columns bitmap";
    for (; block; link = block, block = *next_of(h, block)) {
        if (++*found > most) return "index holds free blocks only";
        if (block % LM_BLOCK_ALIGNMENT || block - h.first >= h.control->top - h.first ||
            !(*tag(h, block) & FREE) || bin_of(bytes_of(h, block)) != bin)
            return "bins hold their size";
        if (*link_of(h, block) != link) return "links";
    }
    return NULL;
}

static const char *index_law(heap h, uint64_t free_blocks) {
    const block_index *index = &h.control->index;
    uint64_t found = 0;
    for (uint32_t bin = 0; bin < ROWS * COLUMNS; bin++) {
        const char *broken = bin_law(h, bin, free_blocks, &found);
        if (broken) return broken;
    }
    for (uint32_t row = 0; row < 32; row++)
        if ((index->rows >> row & 1) != (row < ROWS && index->columns[row])) return "rows bitmap";
    if (index->columns[ROWS]) return "columns bitmap";
    return found == free_blocks ? NULL : "index holds free blocks only";
}

const lm_allocator LM_TABLE(tlsf) = {
    .name = "tlsf",
    .idea = "bins by size in two levels, bitmaps, merging: all O(1)",
    .capabilities = LM_FREES_BLOCKS | LM_RESIZES_IN_PLACE | LM_IN_LINEAR_MEMORY | LM_HOLDS_CONTENT,
    .check_level = LM_CHECK_LEVEL,
    .start = start,
    .allocate = allocate,
    .allocate_zeroed = allocate_zeroed,
    .allocate_aligned = allocate_aligned,
    .resize = resize,
    .resize_aligned = resize_aligned,
    .free = release_block,
    .usable_size = usable_size,
    .block_bytes_max = block_bytes_max,
    .reset = reset,
    .validate = validate,
};
