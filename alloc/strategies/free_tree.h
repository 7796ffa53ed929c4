// A tree of the free blocks: the index that first_fit, next_fit and best_fit share. The file that
// includes this one defines the order and what else a node knows:
//
//     precedes(h, a, b)       whether block a comes before block b, from left to right
//     refresh(h, block)       brings what the block tells of its subtree up to date from its
//                             children; whether that changed anything
//     summary_law(h, block)   the name of the law by which that is wrong, or NULL
//
// and index_find of boundary_tags.h.
//
// Source: a treap (Seidel and Aragon 1996): from the root down the priorities fall, which are
// hashes of the offsets, so that the tree is as deep as a random one, about 2 ln n, whatever the
// sizes and the order of the calls: Stephenson's Cartesian tree (1983), in which the largest block
// is the root, degenerates where sizes follow the addresses. It needs no random numbers: the same
// blocks give the same tree.
//
// A free block begins with its links, so it has 32 bytes at least.
//
//     block   +4      +8       +12                   block + bytes
//     [left] [right] [parent] [summary] ... [bytes]                  parent 0: the root
//
// Laws, besides those of boundary_tags.h (validate's names):
//     free blocks in the index      each free block is linked from its parent
//     order                         a left child precedes, a right one follows
//     priorities                    no child's is above its parent's
//     index holds free blocks only  there are as many links as free blocks
#pragma once

#include "alloc/strategies/strategy.h"

#define BLOCK_BYTES_MIN (2 * LM_BLOCK_ALIGNMENT)

typedef struct block_index {
    uint32_t root;
    uint32_t rover; // next_fit's
} block_index;

#include "alloc/strategies/boundary_tags.h"

static inline bool precedes(heap *h, uint32_t a, uint32_t b);
static inline bool refresh(heap *h, uint32_t block);
static const char *summary_law(heap *h, uint32_t block);

static inline word *left_of(heap *h, uint32_t block) {
    return word_at(h, block);
}
static inline word *right_of(heap *h, uint32_t block) {
    return word_at(h, block + LM_WORD_BYTES);
}
static inline word *parent_of(heap *h, uint32_t block) {
    return word_at(h, block + 2 * LM_WORD_BYTES);
}
static inline word *summary_of(heap *h, uint32_t block) {
    return word_at(h, block + 3 * LM_WORD_BYTES);
}
static inline word *root_of(heap *h) {
    return &h->index.root;
}

// Two multiplications with a shift between them (after Appleby's murmur3): the offsets of equal
// blocks are evenly spaced, and one multiplication would leave their priorities in runs that rise
// or fall, in which the tree is as deep as the run is long.
static inline uint32_t priority(uint32_t block) {
    uint32_t n = block / LM_BLOCK_ALIGNMENT * 0x85ebca6bu;
    return (n ^ n >> 15) * 0xc2b2ae35u;
}

static inline void link_to(heap *h, word *link, uint32_t block, uint32_t parent) {
    *link = block;
    if (block) *parent_of(h, block) = parent;
}

// From a block up to `end`, which is left as it is; where `must` is false, no further than
// something changes.
static inline void refresh_up(heap *h, uint32_t block, uint32_t end, bool must) {
    for (; block != end && (refresh(h, block) || must); block = *parent_of(h, block))
        continue;
}

// Goes down to the first block of a lower priority, and splits its tree by the order under the new
// one.
static void index_insert(heap *h, uint32_t block, uint32_t bytes) {
    (void)bytes;
    word *link = root_of(h);
    uint32_t above = 0, rank = priority(block), split;
    while ((split = *link) != 0 && priority(split) > rank) {
        above = split;
        link = precedes(h, block, split) ? left_of(h, split) : right_of(h, split);
    }
    link_to(h, link, block, above);
    word *lower = left_of(h, block), *higher = right_of(h, block);
    uint32_t low = block, high = block; // the parents of what will be linked there
    while (split) {
        if (precedes(h, split, block)) {
            link_to(h, lower, split, low);
            low = split;
            lower = right_of(h, split);
            split = *lower;
        } else {
            link_to(h, higher, split, high);
            high = split;
            higher = left_of(h, split);
            split = *higher;
        }
    }
    *lower = *higher = 0;
    refresh_up(h, low, block, true);
    refresh_up(h, high, block, true);
    refresh(h, block);
    refresh_up(h, above, 0, false);
}

// Joins the block's two subtrees in its place.
static void index_remove(heap *h, uint32_t block) {
    uint32_t left = *left_of(h, block), right = *right_of(h, block), above = *parent_of(h, block);
    word *link = !above                        ? root_of(h)
                 : *left_of(h, above) == block ? left_of(h, above)
                                               : right_of(h, above);
    LM_CHECK(*link == block);
    uint32_t parent = above;
    while (left && right) {
        bool left_on_top = priority(left) > priority(right);
        uint32_t upper = left_on_top ? left : right;
        link_to(h, link, upper, parent);
        parent = upper;
        link = left_on_top ? right_of(h, upper) : left_of(h, upper);
        *(left_on_top ? &left : &right) = *link;
    }
    link_to(h, link, left ? left : right, parent);
    refresh_up(h, parent, above, true);
    refresh_up(h, above, 0, false);
}

static bool in_heap(heap *h, uint32_t block) {
    return block % LM_BLOCK_ALIGNMENT == 0 && block - FIRST < h->last - FIRST;
}

static bool index_holds(heap *h, uint32_t block) {
    uint32_t above = *parent_of(h, block);
    if (!above) return *root_of(h) == block;
    return in_heap(h, above) && (*left_of(h, above) == block || *right_of(h, above) == block);
}

static const char *child_law(heap *h, uint32_t block, uint32_t child, bool left) {
    if (!in_heap(h, child) || *parent_of(h, child) != block) return "index holds free blocks only";
    if (precedes(h, child, block) != left) return "order";
    return priority(child) > priority(block) ? "priorities" : NULL;
}

// Every free block is linked from its parent: that has been seen. So no link is missing, and if
// their number is right, none is there besides.
static const char *index_law(heap *h, uint64_t free_blocks) {
    uint64_t links = *root_of(h) != 0;
    for (uint32_t block = FIRST; block != h->last; block += bytes_of(h, block)) {
        if (!(*tag(h, block) & FREE)) continue;
        uint32_t left = *left_of(h, block), right = *right_of(h, block);
        const char *broken = left ? child_law(h, block, left, true) : NULL;
        if (!broken && right) broken = child_law(h, block, right, false);
        if (!broken) broken = summary_law(h, block);
        if (broken) return broken;
        links += (left ? 1u : 0u) + (right ? 1u : 0u);
    }
    return links == free_blocks ? NULL : "index holds free blocks only";
}
