// Live parts of a free block: its tag, its links and its last word. Of the wilderness: none.
#pragma once

#include "alloc/strategies/strategy.h"

// The end of a free block's links: of a trie
// (alloc/strategies/fit/{address_tries,size_tries}.inc.h) or of a list.
static inline uint32_t links_bytes(uint32_t bytes) {
    (void)bytes;
#if defined(INDEX_MOVES)
    return LM_BLOCK_ALIGNMENT;
#elif defined(BINS_AND_MORE)
    return bytes >> TRIES_LOG2 ? LM_BLOCK_ALIGNMENT + 3 * LM_WORD_BYTES : 2 * LM_WORD_BYTES;
#else
    return 2 * LM_WORD_BYTES;
#endif
}

static void canonicalize(lm_memory *memory) {
    heap *h = boundary_heap(memory);
    for (uint32_t block = BOUNDARY_FIRST, bytes; block != h->last; block += bytes) {
        bytes = boundary_bytes(h, block);
        if (!(*boundary_tag(h, block) & TAG_FREE)) continue;
        uint32_t links = links_bytes(bytes), last = bytes - 2 * LM_WORD_BYTES;
        if (links < last) memset(boundary_address(h, block + links), IMAGE_JUNK, last - links);
    }
    memset(boundary_address(h, h->last), IMAGE_JUNK, h->clean - h->last);
}
