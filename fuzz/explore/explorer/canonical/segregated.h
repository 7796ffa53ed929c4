// Live parts of a free block: its word and its link. Nothing is read after a region's carved part.
#pragma once

#include "alloc/strategies/strategy.h"

static void canonicalize(lm_memory *memory) {
    heap *h = segregated_heap(memory);
    for (uint32_t class = 0; class < CLASSES; class ++)
        for (uint32_t block = h->free[class]; block; block = *segregated_word(h, block))
            memset(segregated_address(h, block + LM_WORD_BYTES), IMAGE_JUNK,
                   segregated_class_bytes(class) - 2 * LM_WORD_BYTES);
    for (uint32_t at = h->newest; at; at = segregated_region(h, at)->link) {
        const region *r = segregated_region(h, at);
        memset(segregated_tag(h, r->next), 0, LM_WORD_BYTES);
        memset(segregated_address(h, r->next), IMAGE_JUNK, r->clean - r->next);
    }
}
