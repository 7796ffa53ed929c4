// Bins: doubly linked lists of free blocks by size. They are the index of half_fit and tlsf, and
// part of that of best_fit and bins (size_tries.inc.h).
//
// A free block begins with two links: the next block of its bin, and the offset of the word that
// links to it, in the block before or in the bin's head. So a block is removed without its bin.
//
//     heads[bin] --> [next|link] --> [next|link] --> 0
//
// Laws, besides those of boundary_tags.inc.h (validate's names):
//     free blocks in the index      the word that a free block names links to it
//     bins hold their size          a bin's blocks are free and of its sizes
//     links                         a block's link is where it was found
//     map                           a bin is marked if its list is not empty
//     index holds free blocks only  the bins hold as many blocks as are free in the heap
#pragma once

#include "alloc/strategies/strategy.h"

// Parameters. The strategy has included boundary_tags.inc.h, for a block_index with the member
//     uint32_t heads[BINS]    each bin's first block
// and defines index_find. Required:
#ifndef BINS
#error "BINS: how many bins there are"
#endif
#ifndef BIN_OF
#error "BIN_OF(bytes): the bin of a size, rising with it"
#endif
#if !defined(BIN_MARK) || !defined(BIN_MARKED)
#error "BIN_MARK(index, bin, holds), BIN_MARKED(index, bin): the map of the bins that hold blocks"
#endif
// Optional:
//     BIN_OF_ANY       a bin that holds blocks of any size
//     BINS_AND_MORE    the rest of the index of boundary_tags.inc.h is defined elsewhere, on
//                      bins_insert, bins_remove and bins_law
#ifndef BIN_OF_ANY
#define BIN_OF_ANY BINS // none
#endif

static inline uint32_t BIN_OF(uint32_t bytes);
static inline bool BIN_MARKED(const block_index *index, uint32_t bin);
static inline void BIN_MARK(block_index *index, uint32_t bin, bool holds);

static inline word *bins_next(heap *h, uint32_t block) {
    return boundary_word(h, block);
}
static inline word *bins_link(heap *h, uint32_t block) {
    return boundary_word(h, block + LM_WORD_BYTES);
}
static inline uint32_t bins_head(heap *h, uint32_t bin) {
    return boundary_offset(h, &h->index.heads[bin]);
}

static inline void bins_insert(heap *h, uint32_t block, uint32_t bin) {
    uint32_t next = h->index.heads[bin];
    *bins_next(h, block) = next;
    *bins_link(h, block) = bins_head(h, bin);
    h->index.heads[bin] = block;
    if (next)
        *bins_link(h, next) = block;
    else
        BIN_MARK(&h->index, bin, true);
}

static inline void bins_remove(heap *h, uint32_t block) {
    uint32_t next = *bins_next(h, block), link = *bins_link(h, block);
    LM_CHECK(*boundary_word(h, link) == block);
    LM_CHECK(!next || *bins_link(h, next) == block);
    *boundary_word(h, link) = next;
    if (next)
        *bins_link(h, next) = link;
    else if (link < BOUNDARY_FIRST) // the bin's head: the bin is empty
        BIN_MARK(&h->index, (link - bins_head(h, 0)) / LM_WORD_BYTES, false);
}

static bool index_holds(heap *h, uint32_t block) {
    uint32_t link = *bins_link(h, block);
    return link % LM_WORD_BYTES == 0 && link - bins_head(h, 0) < h->last - bins_head(h, 0) &&
           *boundary_word(h, link) == block;
}

// Checks one bin and adds its blocks to *found. Stops after `most`, in case of a cycle.
static const char *bins_law(heap *h, uint32_t bin, uint64_t most, uint64_t *found) {
    uint32_t link = bins_head(h, bin), block = h->index.heads[bin];
    if (!!block != BIN_MARKED(&h->index, bin)) return "map";
    for (; block; link = block, block = *bins_next(h, block)) {
        if (++*found > most) return "index holds free blocks only";
        if (block % LM_BLOCK_ALIGNMENT || block - BOUNDARY_FIRST >= h->last - BOUNDARY_FIRST ||
            !(*boundary_tag(h, block) & TAG_FREE) ||
            (bin != BIN_OF_ANY && BIN_OF(boundary_bytes(h, block)) != bin))
            return "bins hold their size";
        if (*bins_link(h, block) != link) return "links";
    }
    return NULL;
}

#ifndef BINS_AND_MORE

static void index_insert(heap *h, uint32_t block, uint32_t bytes) {
    bins_insert(h, block, BIN_OF(bytes));
}

static void index_remove(heap *h, uint32_t block) {
    bins_remove(h, block);
}

static const char *index_law(heap *h, uint64_t free_blocks) {
    uint64_t found = 0;
    for (uint32_t bin = 0; bin < BINS; bin++) {
        const char *broken = bins_law(h, bin, free_blocks, &found);
        if (broken) return broken;
    }
    return found == free_blocks ? NULL : "index holds free blocks only";
}

#endif
