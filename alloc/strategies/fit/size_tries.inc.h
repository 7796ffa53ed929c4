// Lists of small free blocks and tries of large ones, by size, to find the smallest block that
// fits: the index of best_fit and bins.
//
// Source: the bins and tries of D. Lea's dlmalloc 2.8 (2005); here a bin with a trie holds a whole
// power of two, not half of one.
//
// Layout: bins 1 to 31 are lists of blocks of one size, 16 to 496 bytes (size_bins.inc.h). Bins 32
// to 54 are tries, a power of two each, from 512 bytes up.
//
//     block  +4            +20      +24
//     [next] [link] ...... [child 0][child 1]       in a trie; in a list, only the first two
//
// Each node of a trie has a size of its own; blocks of the same size are on its list of `next`. Its
// `link` is the offset of the word that links to it: a bin's head, or a child of its parent. That
// of a block on a list is the `next` of the block before it. Only the latter is a multiple of 16,
// which tells the two apart. (No link is in the word before a multiple of 16, the place of a tag,
// for which it might be taken.)
// The bits of the size below the leading one, from the top, choose the children on the way to a
// node: a node of depth d shares d bits with all below it.
//
//     heads[bin] --> [640] --0--> [512] ...           512 … 1008: 1xxxxx0000
//                      |   --1--> [896] --0--> [784]
//                    [640] (equal)
//
// Laws, besides those of size_bins.inc.h (validate's names):
//     trie      each node is where its size says, and its list is of its size
//
// Time: a trie has as many levels as sizes have bits, so a search takes at most some 30 steps,
// mostly one or two.
#pragma once

// Parameters. The strategy has included size_bins.inc.h, with BINS_AND_MORE and the functions of
// below, for a block_index with the members
//     uint32_t map[]          a bit for each bin, in words
//     uint32_t heads[BINS]    each bin's first block, or root
// and defines index_find and index_remove of boundary_tags.inc.h, the latter on tries_remove_any.
// Bins from TRIES_END on are lists of its own.
#ifndef BINS_AND_MORE
#error "BINS_AND_MORE: size_bins.inc.h must leave the index to this file"
#endif

enum {
    TRIES_LISTS_LOG2 = LM_GEOMETRY(5, 2),
    TRIES_LISTS = 1 << TRIES_LISTS_LOG2, // bins 0 … 31, of steps of 16 bytes
    TRIES_LOG2 = 4 + TRIES_LISTS_LOG2,   // of the first trie: behind the last list
    TRIES_FIRST = 32,                    // its bin: the second word's first
    TRIES_END = 64,                      // the first one of the strategy's own
};

static inline uint32_t tries_log2(uint32_t bytes) {
    return 31 - (uint32_t)__builtin_clz(bytes);
}
static inline uint32_t tries_bin(uint32_t bytes) {
    return bytes >> TRIES_LOG2 ? TRIES_FIRST + tries_log2(bytes) - TRIES_LOG2 : bytes >> 4;
}
static inline bool tries_marked(const block_index *index, uint32_t bin) {
    return index->map[bin / 32] >> bin % 32 & 1;
}
static inline void tries_mark(block_index *index, uint32_t bin, bool holds) {
    uint32_t *bits = &index->map[bin / 32];
    *bits = (*bits & ~(1u << bin % 32)) | (uint32_t)holds << bin % 32;
}

static inline uint32_t tries_child(uint32_t node, uint32_t bit) { // the word's offset
    return node + LM_BLOCK_ALIGNMENT + (1 + bit) * LM_WORD_BYTES;
}
static inline bool tries_is_node(heap *h, uint32_t block) {
    return *bins_link(h, block) % LM_BLOCK_ALIGNMENT != 0 || *bins_link(h, block) < BOUNDARY_FIRST;
}

// The bits that choose the children, from the top.
static inline uint32_t tries_path(uint32_t bytes) {
    return bytes << (32 - tries_log2(bytes));
}

static void tries_link_to(heap *h, uint32_t link, uint32_t block) {
    *boundary_word(h, link) = block;
    *bins_link(h, block) = link;
}

static void tries_insert(heap *h, uint32_t block, uint32_t bytes) {
    uint32_t bin = tries_bin(bytes), link = bins_head(h, bin), node;
    if (!*boundary_word(h, link)) tries_mark(&h->index, bin, true);
    for (uint32_t path = tries_path(bytes); (node = *boundary_word(h, link)) != 0; path <<= 1) {
        if (boundary_bytes(h, node) == bytes) {
            uint32_t next = *bins_next(h, node);
            if (next) tries_link_to(h, block, next);
            *bins_next(h, block) = next;
            tries_link_to(h, node, block);
            return;
        }
        link = tries_child(node, path >> 31);
    }
    *bins_next(h, block) = *boundary_word(h, tries_child(block, 0)) =
        *boundary_word(h, tries_child(block, 1)) = 0;
    tries_link_to(h, link, block);
}

// Replaces a node by the next block of its size, or by a leaf below it, as any shares its bits.
static void tries_remove(heap *h, uint32_t node) {
    uint32_t heir = *bins_next(h, node), link = *bins_link(h, node);
    LM_CHECK(*boundary_word(h, link) == node);
    if (!heir) {
        uint32_t leaf = link, below;
        while ((below = *boundary_word(h, leaf)) != 0) {
            heir = below;
            uint32_t right = tries_child(below, 1);
            leaf = *boundary_word(h, right) ? right : tries_child(below, 0);
        }
        *boundary_word(h, *bins_link(h, heir)) = 0;
        if (heir == node) {
            if (link < BOUNDARY_FIRST)
                tries_mark(&h->index, (link - bins_head(h, 0)) / LM_WORD_BYTES, false);
            return;
        }
    }
    for (uint32_t bit = 0; bit < 2; bit++) {
        uint32_t child = *boundary_word(h, tries_child(node, bit));
        *boundary_word(h, tries_child(heir, bit)) = 0;
        if (child) tries_link_to(h, tries_child(heir, bit), child);
    }
    tries_link_to(h, link, heir);
}

// Returns the smallest block of the tries that has `bytes`, with a rest below `most`; 0 if none.
static __attribute__((noinline)) uint32_t tries_find(heap *h, uint32_t bytes, uint32_t most) {
    uint32_t best = 0, later = 0, node = 0, bin = tries_bin(bytes), tries = h->index.map[1];
    if (bin >= TRIES_FIRST) { // down the path of the size; what branches off to the right is larger
        node = h->index.heads[bin];
        for (uint32_t path = tries_path(bytes); node; path <<= 1) {
            uint32_t rest = boundary_bytes(h, node) - bytes,
                     right = *boundary_word(h, tries_child(node, 1));
            if (rest < most) {
                most = rest;
                best = node;
            }
            node = *boundary_word(h, tries_child(node, path >> 31));
            if (right && right != node) later = right;
        }
        node = later;
        tries &= ~1u << (bin - TRIES_FIRST);
    }
    if (!node && !best && tries)
        node = h->index.heads[TRIES_FIRST + (uint32_t)__builtin_ctz(tries)];
    while (node) { // all of these fit, the leftmost best
        uint32_t rest = boundary_bytes(h, node) - bytes,
                 left = *boundary_word(h, tries_child(node, 0));
        if (rest < most) {
            most = rest;
            best = node;
        }
        node = left ? left : *boundary_word(h, tries_child(node, 1));
    }
    return best;
}

static void index_insert(heap *h, uint32_t block, uint32_t bytes) {
    uint32_t bin = tries_bin(bytes);
    if (bin < TRIES_LISTS)
        bins_insert(h, block, bin);
    else
        tries_insert(h, block, bytes);
}

// Removes a block from its list or its trie.
static inline void tries_remove_any(heap *h, uint32_t block) {
    if (boundary_bytes(h, block) >> TRIES_LOG2 && tries_is_node(h, block))
        tries_remove(h, block);
    else
        bins_remove(h, block);
}

// Checks the subtree of a node that shares `depth` bits of the path, and adds its blocks to *found.
static const char *tries_law(heap *h, uint32_t bin, uint32_t link, uint32_t depth, uint32_t shared,
                             uint64_t most, uint64_t *found) {
    uint32_t node = *boundary_word(h, link), before = link;
    if (depth == 0 && !!node != tries_marked(&h->index, bin)) return "map";
    if (!node) return NULL;
    if (depth == 32) return "trie";
    for (uint32_t block = node; block; before = block, block = *bins_next(h, block)) {
        if (++*found > most) return "index holds free blocks only";
        if (block % LM_BLOCK_ALIGNMENT || block - BOUNDARY_FIRST >= h->last - BOUNDARY_FIRST ||
            !(*boundary_tag(h, block) & TAG_FREE) || tries_bin(boundary_bytes(h, block)) != bin)
            return "bins hold their size";
        if (*bins_link(h, block) != before) return "links";
        if (boundary_bytes(h, block) != boundary_bytes(h, node)) return "trie";
    }
    uint32_t path = tries_path(boundary_bytes(h, node));
    if (depth && path >> (32 - depth) != shared) return "trie";
    for (uint32_t bit = 0; bit < 2; bit++) {
        const char *broken =
            tries_law(h, bin, tries_child(node, bit), depth + 1, shared << 1 | bit, most, found);
        if (broken) return broken;
    }
    return NULL;
}

static const char *index_law(heap *h, uint64_t free_blocks) {
    uint64_t found = 0;
    for (uint32_t bin = 0; bin < BINS; bin++) {
        bool lists = bin < TRIES_LISTS || bin >= TRIES_END;
        const char *broken = lists
                                 ? bins_law(h, bin, free_blocks, &found)
                                 : tries_law(h, bin, bins_head(h, bin), 0, 0, free_blocks, &found);
        if (broken) return broken;
    }
    return found == free_blocks ? NULL : "index holds free blocks only";
}
