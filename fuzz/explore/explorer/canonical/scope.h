// Nothing is read after a region's last block, not even the place of the next tag, nor of an idle
// region, except for its record. The clean part of the current region is kept.
#pragma once

#include "alloc/strategies/strategy.h"

static void clear_from(lm_memory *memory, uint32_t next, uint32_t end) {
    uint32_t from = next - LM_WORD_BYTES;
    memset(lm_at(memory, from), 0, LM_WORD_BYTES);
    memset(lm_at(memory, next), IMAGE_JUNK, end - next);
}

static void canonicalize(lm_memory *memory) {
    const heap *h = scope_heap(memory);
    uint32_t bottom = scope_bottom(memory), dirty = h->dirty < h->top.end ? h->dirty : h->top.end;
    clear_from(memory, h->top.next, dirty > h->top.next ? dirty : h->top.next);
    for (uint32_t at = h->top.start; at != bottom; at = scope_region_at(memory, at)->start)
        clear_from(memory, scope_region_at(memory, at)->next, scope_region_at(memory, at)->end);
    for (uint32_t at = h->idle; at != bottom; at = scope_region_at(memory, at)->start)
        clear_from(memory, at + LM_BLOCK_ALIGNMENT, scope_region_at(memory, at)->end);
}
