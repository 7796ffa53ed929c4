// A free block is its word and its link; behind what is carved of a region nothing is read.
#pragma once

#include "alloc/strategies/strategy.h"

static void canonicalize(lm_memory *memory) {
    heap *h = heap_of(memory);
    for (uint32_t class = 0; class < CLASSES; class ++)
        for (uint32_t block = h->free[class]; block; block = *word_at(h, block))
            memset(address_of(h, block + LM_WORD_BYTES), IMAGE_JUNK,
                   class_bytes(class) - 2 * LM_WORD_BYTES);
    for (uint32_t at = h->newest; at; at = region_of(h, at)->link) {
        const region *r = region_of(h, at);
        memset(tag(h, r->next), 0, LM_WORD_BYTES);
        memset(address_of(h, r->next), IMAGE_JUNK, r->clean - r->next);
    }
}
