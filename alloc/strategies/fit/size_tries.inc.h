// Small bins and tries: lists of free blocks of one size each, and digital trees of larger ones, in
// which the smallest block that fits is found. What bins and best_fit stand on.
//
// Source: the bins and tries of D. Lea's dlmalloc 2.8 (2005); here a bin with a trie holds a whole
// power of two, not half of one.
//
// Layout: bins 1 to 31 are lists of blocks of one size, 16 to 496 bytes (size_bins.inc.h). Bins 32
// to 54 are tries, a power of two each, 512 bytes and up.
//
//     block  +4            +20      +24
//     [next] [link] ...... [child 0][child 1]       of a trie; of a list, only the first two
//
// A node of a trie holds a size of its own; equal blocks hang on its list of `next`. Its `link` is
// the offset of the word that points to it: a bin's head, or a child of its parent. That of a block
// on a list is the `next` of the one before, and tells the two apart: only it is a multiple of 16.
// (No link lies before a multiple of 16, where a tag would lie, as which it might pass.)
// The bits of the size below the leading one, from the top, say which child leads to it: a node of
// depth d shares d bits with all below it.
//
//     heads[bin] --> [640] --0--> [512] ...           512 … 1008: 1xxxxx0000
//                      |   --1--> [896] --0--> [784]
//                    [640] (equal)
//
// Laws, besides those of size_bins.inc.h (validate's names):
//     trie      each node is where its size says, and its list is of its size
//
// Costs: a trie has as many levels as sizes have bits, so that any search is some 30 steps at most,
// and mostly one or two.
#pragma once

// Parameters. The strategy has included size_bins.inc.h, with BINS_AND_MORE and the functions of
// below, for a block_index with the members
//     uint32_t map[]          a bit for each bin, in words
//     uint32_t heads[BINS]    each bin's first block, or root
// and defines index_find and index_remove of boundary_tags.inc.h, the latter on size_remove. Bins
// from BESIDES on are lists of its own.
#ifndef BINS_AND_MORE
#error "BINS_AND_MORE: size_bins.inc.h must leave the index to this file"
#endif

enum {
    LISTS_LOG2 = LM_GEOMETRY(5, 2),
    LISTS = 1 << LISTS_LOG2,    // bins 0 … 31, of steps of 16 bytes
    TRIE_LOG2 = 4 + LISTS_LOG2, // of the first trie: behind the last list
    TRIES = 32,                 // its bin: the second word's first
    BESIDES = 64,               // the first one of the strategy's own
};

static inline uint32_t log2_of(uint32_t bytes) {
    return 31 - (uint32_t)__builtin_clz(bytes);
}
static inline uint32_t bin_of(uint32_t bytes) {
    return bytes >> TRIE_LOG2 ? TRIES + log2_of(bytes) - TRIE_LOG2 : bytes >> 4;
}
static inline bool bin_marked(const block_index *index, uint32_t bin) {
    return index->map[bin / 32] >> bin % 32 & 1;
}
static inline void bin_mark(block_index *index, uint32_t bin, bool holds) {
    uint32_t *bits = &index->map[bin / 32];
    *bits = (*bits & ~(1u << bin % 32)) | (uint32_t)holds << bin % 32;
}

static inline uint32_t child_of(uint32_t node, uint32_t bit) { // the word's offset
    return node + LM_BLOCK_ALIGNMENT + (1 + bit) * LM_WORD_BYTES;
}
static inline bool is_node(heap *h, uint32_t block) {
    return *link_of(h, block) % LM_BLOCK_ALIGNMENT != 0 || *link_of(h, block) < FIRST;
}

// The bits that choose the children, from the top.
static inline uint32_t path_of(uint32_t bytes) {
    return bytes << (32 - log2_of(bytes));
}

static void link_to(heap *h, uint32_t link, uint32_t block) {
    *word_at(h, link) = block;
    *link_of(h, block) = link;
}

static void trie_insert(heap *h, uint32_t block, uint32_t bytes) {
    uint32_t bin = bin_of(bytes), link = head_of(h, bin), node;
    if (!*word_at(h, link)) bin_mark(&h->index, bin, true);
    for (uint32_t path = path_of(bytes); (node = *word_at(h, link)) != 0; path <<= 1) {
        if (bytes_of(h, node) == bytes) {
            uint32_t next = *next_of(h, node);
            if (next) link_to(h, block, next);
            *next_of(h, block) = next;
            link_to(h, node, block);
            return;
        }
        link = child_of(node, path >> 31);
    }
    *next_of(h, block) = *word_at(h, child_of(block, 0)) = *word_at(h, child_of(block, 1)) = 0;
    link_to(h, link, block);
}

// A node's place is taken by the next of its size, or by some leaf below it: any shares its bits.
static void trie_remove(heap *h, uint32_t node) {
    uint32_t heir = *next_of(h, node), link = *link_of(h, node);
    LM_CHECK(*word_at(h, link) == node);
    if (!heir) {
        uint32_t leaf = link, below;
        while ((below = *word_at(h, leaf)) != 0) {
            heir = below;
            uint32_t right = child_of(below, 1);
            leaf = *word_at(h, right) ? right : child_of(below, 0);
        }
        *word_at(h, *link_of(h, heir)) = 0;
        if (heir == node) {
            if (link < FIRST) bin_mark(&h->index, (link - head_of(h, 0)) / LM_WORD_BYTES, false);
            return;
        }
    }
    for (uint32_t bit = 0; bit < 2; bit++) {
        uint32_t child = *word_at(h, child_of(node, bit));
        *word_at(h, child_of(heir, bit)) = 0;
        if (child) link_to(h, child_of(heir, bit), child);
    }
    link_to(h, link, heir);
}

// The smallest block of the tries that has `bytes` and leaves less over than `most`; 0: none.
static __attribute__((noinline)) uint32_t trie_find(heap *h, uint32_t bytes, uint32_t most) {
    uint32_t best = 0, later = 0, node = 0, bin = bin_of(bytes), tries = h->index.map[1];
    if (bin >= TRIES) { // down the path of the size; what branches off to the right is larger
        node = h->index.heads[bin];
        for (uint32_t path = path_of(bytes); node; path <<= 1) {
            uint32_t rest = bytes_of(h, node) - bytes, right = *word_at(h, child_of(node, 1));
            if (rest < most) {
                most = rest;
                best = node;
            }
            node = *word_at(h, child_of(node, path >> 31));
            if (right && right != node) later = right;
        }
        node = later;
        tries &= ~1u << (bin - TRIES);
    }
    if (!node && !best && tries) node = h->index.heads[TRIES + (uint32_t)__builtin_ctz(tries)];
    while (node) { // all of these fit, the leftmost best
        uint32_t rest = bytes_of(h, node) - bytes, left = *word_at(h, child_of(node, 0));
        if (rest < most) {
            most = rest;
            best = node;
        }
        node = left ? left : *word_at(h, child_of(node, 1));
    }
    return best;
}

static void index_insert(heap *h, uint32_t block, uint32_t bytes) {
    uint32_t bin = bin_of(bytes);
    if (bin < LISTS)
        bin_insert(h, block, bin);
    else
        trie_insert(h, block, bytes);
}

// From its list or its trie.
static inline void size_remove(heap *h, uint32_t block) {
    if (bytes_of(h, block) >> TRIE_LOG2 && is_node(h, block))
        trie_remove(h, block);
    else
        bin_remove(h, block);
}

// Walks a trie whose root shares `depth` bits of the path, adding to *found.
static const char *trie_law(heap *h, uint32_t bin, uint32_t link, uint32_t depth, uint32_t shared,
                            uint64_t most, uint64_t *found) {
    uint32_t node = *word_at(h, link), before = link;
    if (depth == 0 && !!node != bin_marked(&h->index, bin)) return "map";
    if (!node) return NULL;
    if (depth == 32) return "trie";
    for (uint32_t block = node; block; before = block, block = *next_of(h, block)) {
        if (++*found > most) return "index holds free blocks only";
        if (block % LM_BLOCK_ALIGNMENT || block - FIRST >= h->last - FIRST ||
            !(*tag(h, block) & FREE) || bin_of(bytes_of(h, block)) != bin)
            return "bins hold their size";
        if (*link_of(h, block) != before) return "links";
        if (bytes_of(h, block) != bytes_of(h, node)) return "trie";
    }
    uint32_t path = path_of(bytes_of(h, node));
    if (depth && path >> (32 - depth) != shared) return "trie";
    for (uint32_t bit = 0; bit < 2; bit++) {
        const char *broken =
            trie_law(h, bin, child_of(node, bit), depth + 1, shared << 1 | bit, most, found);
        if (broken) return broken;
    }
    return NULL;
}

static const char *index_law(heap *h, uint64_t free_blocks) {
    uint64_t found = 0;
    for (uint32_t bin = 0; bin < BINS; bin++) {
        bool lists = bin < LISTS || bin >= BESIDES;
        const char *broken = lists ? bin_law(h, bin, free_blocks, &found)
                                   : trie_law(h, bin, head_of(h, bin), 0, 0, free_blocks, &found);
        if (broken) return broken;
    }
    return found == free_blocks ? NULL : "index holds free blocks only";
}
