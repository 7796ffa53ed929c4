// The free blocks by address, in tries, to find the first one at or behind an address that is large
// enough: the index of first_fit and next_fit.
//
// Idea: a table replaces most levels of a tree: ADDRESS_BUCKETS ranges of equal size, with the size
// of the largest free block that begins in each. Only the blocks of one range are a tree, a small
// one: programs have some hundred free blocks (lua about 480, cc1plus 750, on average).
//
//     groups    [ 4096 ............................... | 64 ........ ]   no bucket of it is larger
//     largest   [ 0 |  0 | 64 |  0 |  0 |  0 | 4096 |  0 | ......... ]   of each bucket
//     roots     [   |    | *  |    |    |    |  *   |    | ......... ]
//                          |                    |
//                       [64 at 640]   [4096 at 1648, 4096] --0--> [32 at 1584]
//
// A bucket's tree is a digital search tree (Coffman and Eve 1970; Knuth 3, 6.3): any of its blocks
// is the root, and the bits of the other offsets, from the top, choose the children: a node of
// depth d shares d bits with all below it. So a tree is no deeper than an offset has bits, nothing
// is ever rotated, and a block that moves a little (its front is used, or it merges with the block
// before it) keeps its place. Each block knows the size of the largest block in its subtree (as in
// Stephenson's fast fits, 1983), so a search never backtracks. A group's size may be too large
// until a search in vain corrects it, as blocks shrink more often than they are searched for.
//
// A bucket has 2^ADDRESS_BUCKET_LOG2_MIN bytes in a small heap. When a block is freed behind the
// last bucket, pairs of buckets are folded into one: a leaf of either becomes the root of both.
// That takes some thousand steps, each time the heap has doubled.
//
// A free block begins with its links, so it has at least 32 bytes. `link` is the offset of the word
// that links to it, a child of the parent or the bucket's root.
//
//     block      +4        +8     +12                      block + bytes
//     [child 0] [child 1] [link] [largest | FREE] ... [bytes]
//
// The flag changes no comparison of bytes: `largest` is the word before an address, and must not
// look like the tag of a live block there.
//
// Laws, besides those of boundary_tags.inc.h (validate's names):
//     free blocks in the index      the word that a free block names links to it
//     place                         its bucket and the bits of its offset lead to it
//     largest                       a block's and a bucket's is right, a group's is not too small
//     index holds free blocks only  there are as many links as free blocks
#pragma once

#include "alloc/strategies/strategy.h"

#define ADDRESS_GROUPS  LM_GEOMETRY(16, 2)
#define ADDRESS_GROUP   LM_GEOMETRY(32, 4)
#define ADDRESS_BUCKETS (ADDRESS_GROUPS * ADDRESS_GROUP)

typedef struct block_index {
    uint32_t folds;                    // how often buckets were folded
    uint32_t rover;                    // of next_fit: the block found last
    uint32_t groups[ADDRESS_GROUPS];   // at least the largest of each group
    uint32_t largest[ADDRESS_BUCKETS]; // of each bucket
    uint32_t roots[ADDRESS_BUCKETS];
} block_index;

#define BOUNDARY_BYTES_MIN (2 * LM_BLOCK_ALIGNMENT)
#define INDEX_MOVES
#include "alloc/strategies/fit/boundary_tags.inc.h"

// The strategy defines index_find of boundary_tags.inc.h.

enum { ADDRESS_BUCKET_LOG2_MIN = 8 };
_Static_assert(BOUNDARY_BYTES_MIN >= 2 * LM_BLOCK_ALIGNMENT, "links and the last word fit");

static inline uint32_t address_child(uint32_t node, uint32_t bit) { // the word's offset
    return node + bit * LM_WORD_BYTES;
}
static inline word *address_link(heap *h, uint32_t block) {
    return boundary_word(h, block + 2 * LM_WORD_BYTES);
}
static inline word *address_largest(heap *h, uint32_t block) {
    return boundary_word(h, block + 3 * LM_WORD_BYTES);
}
static inline uint32_t address_largest_below(heap *h, uint32_t block) {
    return block ? *address_largest(h, block) : 0;
}
static inline uint32_t address_root(heap *h, uint32_t bucket) { // the word's offset
    return boundary_offset(h, &h->index.roots[bucket]);
}
static inline uint32_t address_bucket_log2(heap *h) {
    return ADDRESS_BUCKET_LOG2_MIN + h->index.folds;
}

// The node that a link is in; 0 if it is a root.
static inline uint32_t address_holder(uint32_t link) {
    return link < BOUNDARY_FIRST ? 0 : link & TAG_BYTES;
}

static inline void address_link_to(heap *h, uint32_t link, uint32_t block) {
    *boundary_word(h, link) = block;
    if (block) *address_link(h, block) = link;
}

// The size of the largest block in the subtree of a block of `bytes`.
static inline uint32_t address_largest_with(heap *h, uint32_t block, uint32_t bytes) {
    uint32_t largest = bytes | TAG_FREE,
             left = address_largest_below(h, *boundary_word(h, address_child(block, 0))),
             right = address_largest_below(h, *boundary_word(h, address_child(block, 1)));
    if (left > largest) largest = left;
    return right > largest ? right : largest;
}

static inline uint32_t address_largest_in_group(heap *h, uint32_t group) {
    const uint32_t *of = &h->index.largest[group * ADDRESS_GROUP];
    uint32_t largest = 0;
    for (uint32_t i = 0; i < ADDRESS_GROUP; i++)
        largest = of[i] > largest ? of[i] : largest;
    return largest;
}

static inline void address_set_bucket(heap *h, uint32_t bucket, uint32_t largest) {
    uint32_t *group = &h->index.groups[bucket / ADDRESS_GROUP];
    h->index.largest[bucket] = largest;
    if (largest > *group) *group = largest;
}

// Updates the sizes from a link's node upwards, to the first one that does not change, but at least
// to `heir`.
static inline void address_refresh(heap *h, uint32_t link, uint32_t heir) {
    for (uint32_t node; (node = address_holder(link)) != 0; link = *address_link(h, node)) {
        uint32_t before = *address_largest(h, node),
                 now = address_largest_with(h, node, boundary_bytes(h, node));
        *address_largest(h, node) = now;
        if (node == heir) heir = 0;
        if (now == before && !heir) return;
    }
    address_set_bucket(h, (link - address_root(h, 0)) / LM_WORD_BYTES,
                       address_largest_below(h, *boundary_word(h, link)));
}

static inline uint32_t address_leaf(heap *h, uint32_t node) {
    for (uint32_t below = node; below; node = below) {
        below = *boundary_word(h, address_child(node, 0));
        if (!below) below = *boundary_word(h, address_child(node, 1));
        if (!below) break;
    }
    return node;
}

// Makes each pair of buckets one, whose root decides by the bit that distinguished them.
static __attribute__((noinline)) void address_fold(heap *h) {
    uint32_t *roots = h->index.roots;
    for (uint32_t i = 0; i < ADDRESS_BUCKETS / 2; i++) {
        uint32_t leaf = roots[2 * i] ? roots[2 * i] : roots[2 * i + 1];
        if (leaf) {
            leaf = address_leaf(h, leaf);
            uint32_t link = *address_link(h, leaf);
            *boundary_word(h, link) = 0;
            address_refresh(h, link, 0);
            address_link_to(h, address_child(leaf, 0), roots[2 * i]);
            address_link_to(h, address_child(leaf, 1), roots[2 * i + 1]);
            *address_largest(h, leaf) = address_largest_with(h, leaf, boundary_bytes(h, leaf));
        }
        address_link_to(h, address_root(h, i), leaf);
    }
    memset(&roots[ADDRESS_BUCKETS / 2], 0, ADDRESS_BUCKETS / 2 * sizeof *roots);
    for (uint32_t i = 0; i < ADDRESS_BUCKETS; i++)
        h->index.largest[i] = address_largest_below(h, roots[i]);
    for (uint32_t i = 0; i < ADDRESS_GROUPS; i++)
        h->index.groups[i] = address_largest_in_group(h, i);
    h->index.folds++;
}

static void index_insert(heap *h, uint32_t block, uint32_t bytes) {
    while (LM_UNLIKELY(block >> address_bucket_log2(h) >= ADDRESS_BUCKETS))
        address_fold(h);
    uint32_t log2 = address_bucket_log2(h), bucket = block >> log2, path = block << (32 - log2);
    uint32_t largest = bytes | TAG_FREE, link = address_root(h, bucket);
    if (h->index.largest[bucket] < largest) address_set_bucket(h, bucket, largest);
    for (uint32_t node; (node = *boundary_word(h, link)) != 0; path <<= 1) {
        if (*address_largest(h, node) < largest) *address_largest(h, node) = largest;
        link = address_child(node, path >> 31);
    }
    address_link_to(h, link, block);
    *boundary_word(h, address_child(block, 0)) = *boundary_word(h, address_child(block, 1)) = 0;
    *address_largest(h, block) = largest;
}

// Replaces a block by a leaf below it, as any shares its bits.
static void index_remove(heap *h, uint32_t block) {
    uint32_t link = *address_link(h, block), heir = address_leaf(h, block);
    LM_CHECK(*boundary_word(h, link) == block);
    uint32_t from = *address_link(h, heir);
    *boundary_word(h, from) = 0;
    if (heir != block) {
        for (uint32_t bit = 0; bit < 2; bit++)
            address_link_to(h, address_child(heir, bit),
                            *boundary_word(h, address_child(block, bit)));
        *address_largest(h, heir) = *address_largest(h, block);
        address_link_to(h, link, heir);
        if (address_holder(from) == block) from = heir;
    }
    address_refresh(h, from, heir == block ? 0 : heir);
}

// Whether the bits of another offset lead to a block's place.
static inline bool address_same_place(heap *h, uint32_t block, uint32_t other) {
    uint32_t differ = block ^ other, left = address_bucket_log2(h);
    for (uint32_t node = block; differ >> left == 0; left--)
        if ((node = address_holder(*address_link(h, node))) == 0) return true;
    return false;
}

// Moves a free block, whose tag at `to` is written afterwards.
static void index_move(heap *h, uint32_t from, uint32_t to, uint32_t bytes) {
    if (to != from && !address_same_place(h, from, to)) {
        index_remove(h, from);
        index_insert(h, to, bytes);
        return;
    }
    uint32_t before = *address_largest(h, from);
    if (to != from) {
        LM_CHECK(*boundary_word(h, *address_link(h, from)) == from);
        address_link_to(h, *address_link(h, from), to);
        for (uint32_t bit = 0; bit < 2; bit++)
            address_link_to(h, address_child(to, bit), *boundary_word(h, address_child(from, bit)));
    }
    uint32_t now = *address_largest(h, to) = address_largest_with(h, to, bytes);
    if (now != before) address_refresh(h, *address_link(h, to), 0);
}

// Returns the first bucket of the group, from `bucket` on, that has a block of `bytes`, or the
// group's end.
static inline uint32_t address_bucket_in_group(heap *h, uint32_t bucket, uint32_t bytes) {
    uint32_t end = (bucket | (ADDRESS_GROUP - 1)) + 1;
    while (bucket < end && h->index.largest[bucket] < bytes)
        bucket++;
    return bucket;
}

// Returns the first bucket from `bucket` on that has a block of `bytes`; ADDRESS_BUCKETS if none.
static inline uint32_t address_bucket_that_fits(heap *h, uint32_t bucket, uint32_t bytes) {
    if (bucket % ADDRESS_GROUP != 0) {
        bucket = address_bucket_in_group(h, bucket, bytes);
        if (bucket % ADDRESS_GROUP != 0) return bucket;
    }
    for (uint32_t group = bucket / ADDRESS_GROUP; group < ADDRESS_GROUPS; group++) {
        if (h->index.groups[group] < bytes) continue;
        bucket = address_bucket_in_group(h, group * ADDRESS_GROUP, bytes);
        if (bucket / ADDRESS_GROUP == group) return bucket;
        h->index.groups[group] = address_largest_in_group(h, group);
    }
    return ADDRESS_BUCKETS;
}

// Returns the first block of at least `bytes` of a subtree that has one. A node may be anywhere
// among the addresses of its subtree.
static inline uint32_t address_first_that_fits(heap *h, uint32_t node, uint32_t bytes) {
    uint32_t first = UINT32_MAX;
    for (;;) {
        if (node < first && boundary_bytes(h, node) >= bytes) first = node;
        uint32_t left = *boundary_word(h, address_child(node, 0)),
                 right = *boundary_word(h, address_child(node, 1));
        if (address_largest_below(h, left) >= bytes)
            node = left;
        else if (address_largest_below(h, right) >= bytes)
            node = right;
        else
            return first;
    }
}

static inline uint32_t address_first_from_bucket(heap *h, uint32_t bucket, uint32_t bytes) {
    bucket = address_bucket_that_fits(h, bucket, bytes);
    return bucket < ADDRESS_BUCKETS ? address_first_that_fits(h, h->index.roots[bucket], bytes) : 0;
}

static bool address_in_heap(heap *h, uint32_t block) {
    return block % LM_BLOCK_ALIGNMENT == 0 && block - BOUNDARY_FIRST < h->last - BOUNDARY_FIRST;
}

static bool index_holds(heap *h, uint32_t block) {
    uint32_t link = *address_link(h, block), node = address_holder(link);
    if (node ? !address_in_heap(h, node) ||
                   (link != address_child(node, 0) && link != address_child(node, 1))
             : link % LM_WORD_BYTES || link - address_root(h, 0) >= sizeof h->index.roots)
        return false;
    return *boundary_word(h, link) == block;
}

static bool address_in_place(heap *h, uint32_t block) {
    uint32_t path = 0, depth = 0, link = *address_link(h, block), log2 = address_bucket_log2(h);
    for (uint32_t node; (node = address_holder(link)) != 0; link = *address_link(h, node)) {
        if (depth == log2 || !address_in_heap(h, node)) return false;
        path |= (link - node) / LM_WORD_BYTES << depth++;
    }
    path |= (link - address_root(h, 0)) / LM_WORD_BYTES << depth;
    return block >> (log2 - depth) == path;
}

// index_holds has checked that the word each free block names links to it. So no link is missing,
// and if their number is right, there are no others.
static const char *index_law(heap *h, uint64_t free_blocks) {
    uint64_t links = 0;
    if (address_bucket_log2(h) >= 32) return "place";
    for (uint32_t block = BOUNDARY_FIRST; block != h->last; block += boundary_bytes(h, block)) {
        if (!(*boundary_tag(h, block) & TAG_FREE)) continue;
        if (!address_in_place(h, block)) return "place";
        for (uint32_t bit = 0; bit < 2; bit++) {
            uint32_t child = *boundary_word(h, address_child(block, bit));
            if (child && !address_in_heap(h, child)) return "index holds free blocks only";
            links += child != 0;
        }
        if (*address_largest(h, block) != address_largest_with(h, block, boundary_bytes(h, block)))
            return "largest";
    }
    for (uint32_t i = 0; i < ADDRESS_BUCKETS; i++) {
        uint32_t root = h->index.roots[i];
        if (root && !address_in_heap(h, root)) return "index holds free blocks only";
        if (h->index.largest[i] != address_largest_below(h, root)) return "largest";
        if (h->index.groups[i / ADDRESS_GROUP] < address_largest_in_group(h, i / ADDRESS_GROUP))
            return "largest";
        links += root != 0;
    }
    return links == free_blocks ? NULL : "index holds free blocks only";
}
