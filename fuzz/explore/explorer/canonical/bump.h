// Nothing is read after a region's last block, not even the place of the next tag.
#pragma once

#include "alloc/strategies/strategy.h"

static void canonicalize(lm_memory *memory) {
    for (const region *r = bump_current(memory);; r = bump_region_at(memory, r->is.start)) {
        uint32_t from = r->next - LM_WORD_BYTES;
        memset(lm_at(memory, from), IMAGE_JUNK, r->is.end - from);
        if (r->is.start == memory->heap_start) return;
    }
}
