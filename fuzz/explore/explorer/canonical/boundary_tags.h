// A free block is its tag, its links and its last word. Of the wilderness nothing is read.
#pragma once

#include "alloc/strategies/strategy.h"

// Where a free block's links end: those of alloc/strategies/fit/{address_tries,size_tries}.inc.h,
// of a list.
static inline uint32_t links_bytes(uint32_t bytes) {
    (void)bytes;
#if defined(INDEX_MOVES)
    return LM_BLOCK_ALIGNMENT;
#elif defined(BINS_AND_MORE)
    return bytes >> TRIE_LOG2 ? LM_BLOCK_ALIGNMENT + 3 * LM_WORD_BYTES : 2 * LM_WORD_BYTES;
#else
    return 2 * LM_WORD_BYTES;
#endif
}

static void canonicalize(lm_memory *memory) {
    heap *h = heap_of(memory);
    for (uint32_t block = FIRST, bytes; block != h->last; block += bytes) {
        bytes = bytes_of(h, block);
        if (!(*tag(h, block) & FREE)) continue;
        uint32_t links = links_bytes(bytes), last = bytes - 2 * LM_WORD_BYTES;
        if (links < last) memset(address_of(h, block + links), IMAGE_JUNK, last - links);
    }
    memset(address_of(h, h->last), IMAGE_JUNK, h->clean - h->last);
}
