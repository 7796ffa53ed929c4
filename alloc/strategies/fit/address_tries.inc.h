// The free blocks by address, in tries: where is the first one from here on that is large enough?
// That is the question of first_fit and next_fit.
//
// Idea: most of the way to a free block can be a table: BUCKETS ranges of equal size, and the size
// of the largest free block that begins in each. Only what lies in one range is a tree, and a small
// one: programs have some hundred free blocks (lua about 480, cc1plus 750, on average).
//
//     groups    [ 4096 ............................... | 64 ........ ]   none of GROUP is larger
//     largest   [ 0 |  0 | 64 |  0 |  0 |  0 | 4096 |  0 | ......... ]   of each bucket
//     roots     [   |    | *  |    |    |    |  *   |    | ......... ]
//                          |                    |
//                       [64 at 640]   [4096 at 1648, 4096] --0--> [32 at 1584]
//
// A bucket's tree is a digital search tree (Coffman and Eve 1970; Knuth 3, 6.3): any of its blocks
// is the root, and the bits of the others' offsets, from the top, say which child leads to them: a
// node of depth d shares d bits with all below it. So no tree is deeper than an offset has bits,
// nothing is ever rotated, and a block that moves a bit (its front is used, or it merges with what
// lies before it) keeps its place. Each knows the size of the largest block in its subtree (as in
// Stephenson's fast fits, 1983), so that who looks for one never turns back. What is said of a
// group may be too large, until a search in vain corrects it: blocks shrink more often.
//
// A bucket is 2^BUCKET_LOG2_MIN bytes in a small heap. When a free block lies behind the last one,
// buckets are folded, two to one: a leaf of either becomes the root of both. That takes some
// thousand steps, each time that the heap has doubled.
//
// A free block begins with its links, so it has 32 bytes at least. `link` is the offset of the word
// that links here, a child of the parent or the bucket's root.
//
//     block      +4        +8     +12                      block + bytes
//     [child 0] [child 1] [link] [largest | FREE] ... [bytes]
//
// The flag changes no comparison with bytes: `largest` is the word before an address, and must not
// look like the tag of a live block there.
//
// Laws, besides those of boundary_tags.inc.h (validate's names):
//     free blocks in the index      each free block is linked from where it says
//     place                         its bucket and the bits of its offset lead to it
//     largest                       a block's and a bucket's is right, a group's is not too small
//     index holds free blocks only  there are as many links as free blocks
#pragma once

// Parameters. The strategy has included boundary_tags.inc.h, with room for the links in the
// smallest block and with INDEX_MOVES, for a block_index with the members
//     uint32_t folds                           how often buckets were folded
//     uint32_t groups[GROUPS]                  of GROUP buckets each: none is larger
//     uint32_t largest[BUCKETS], roots[BUCKETS]
// and defines index_find of boundary_tags.inc.h.
#if !defined(ADDRESS_GROUPS) || !defined(ADDRESS_GROUP) || !defined(ADDRESS_BUCKETS)
#error "ADDRESS_GROUPS, of ADDRESS_GROUP buckets each, ADDRESS_BUCKETS of them together"
#endif
#ifndef INDEX_MOVES
#error "INDEX_MOVES: boundary_tags.inc.h must call index_move"
#endif

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

// Whose a link is: 0: it is a root.
static inline uint32_t address_holder(uint32_t link) {
    return link < BOUNDARY_FIRST ? 0 : link & TAG_BYTES;
}

static inline void address_link_to(heap *h, uint32_t link, uint32_t block) {
    *boundary_word(h, link) = block;
    if (block) *address_link(h, block) = link;
}

// What a block of `bytes` tells of its subtree.
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

// From a link's holder up to the first block of which nothing changes, and no less than to `heir`.
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

// Two buckets become one, whose root decides by the bit that told them apart.
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

// A block's place is taken by some leaf below it: any shares its bits.
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

// Whether another offset's bits lead to a block's place.
static inline bool address_same_place(heap *h, uint32_t block, uint32_t other) {
    uint32_t differ = block ^ other, left = address_bucket_log2(h);
    for (uint32_t node = block; differ >> left == 0; left--)
        if ((node = address_holder(*address_link(h, node))) == 0) return true;
    return false;
}

// A free block is from here on at `to` and has `bytes`; its tag comes afterwards.
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

// The first bucket of a group from here on that has a block of `bytes`, or the group's end.
static inline uint32_t address_bucket_in_group(heap *h, uint32_t bucket, uint32_t bytes) {
    uint32_t end = (bucket | (ADDRESS_GROUP - 1)) + 1;
    while (bucket < end && h->index.largest[bucket] < bytes)
        bucket++;
    return bucket;
}

// The first bucket from here on that has a block of `bytes`; BUCKETS: none has.
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

// The first block of a subtree that has one of at least `bytes`. Whoever is met on the way may be
// anywhere in its own subtree.
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

// Every free block is linked from where it says: that has been seen. So no link is missing, and if
// their number is right, none is there besides.
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
