// For tests: an imported allocator that is all that a malloc may be. Blocks lie at 8 and at 16
// bytes in turn, allocate(0) is NULL, resize moves always, and to 0 it frees; to fewer bytes it
// fails where the next block would lie at 16. Over tlsf.
#pragma once

#include "alloc/registry.h"
#include "alloc/strategies/strategy.h"

#include <string.h>

enum { ODD_HEAD_BYTES = 16 }; // before a block: how far back tlsf's begins, and its size

static uint32_t odd_turn; // the next block lies at 16 where it is even

static inline const lm_allocator *odd_base(void) {
    return lm_strategy_named("tlsf", 2);
}

// The block that begins so far behind tlsf's, with its head before it.
static inline void *odd_block(unsigned char *block, uint32_t shift, size_t size) {
    uint32_t head[2] = {shift, (uint32_t)size};
    memcpy(block + shift - sizeof head, head, sizeof head);
    return block + shift;
}

static inline void *odd_allocate(size_t size, lm_memory *memory) {
    if (size == 0 || size > UINT32_MAX - 64) return NULL;
    uint32_t shift = ODD_HEAD_BYTES + (odd_turn++ % 2 ? 8 : 0);
    unsigned char *block = odd_base()->allocate(size + shift, memory);
    return block ? odd_block(block, shift, size) : NULL;
}

static inline void odd_free(void *block, size_t size, lm_memory *memory) {
    uint32_t head[2];
    (void)size;
    if (!block) return;
    memcpy(head, (unsigned char *)block - sizeof head, sizeof head);
    odd_base()->free((unsigned char *)block - head[0], 0, memory);
}

static inline void *odd_resize(void *block, size_t size, lm_memory *memory) {
    uint32_t from = lm_offset(memory, block), head[2];
    memcpy(head, (unsigned char *)block - sizeof head, sizeof head);
    if (size == 0) {
        odd_free(block, 0, memory);
        return NULL;
    }
    if (size < head[1] && odd_turn % 2 == 0) return NULL;
    void *to = odd_allocate(size, memory);
    if (!to) return NULL;
    memcpy(to, lm_at(memory, from), head[1] < size ? head[1] : size);
    odd_free(lm_at(memory, from), 0, memory);
    return to;
}

// A calloc, which the realm may be given with the others.
static inline void *odd_allocate_zeroed(size_t size, lm_memory *memory) {
    void *block = odd_allocate(size, memory);
    return block ? memset(block, 0, size) : NULL;
}

// An aligned_alloc, which the realm may be given as well; there is none that resizes.
static inline void *odd_allocate_aligned(size_t alignment, size_t size, lm_memory *memory) {
    uint32_t shift =
        (uint32_t)alignment < 2 * ODD_HEAD_BYTES ? ODD_HEAD_BYTES : (uint32_t)alignment;
    if (size == 0 || size > UINT32_MAX - 64 - shift) return NULL;
    unsigned char *block = odd_base()->allocate_aligned(alignment, size + shift, memory);
    return block ? odd_block(block, shift, size) : NULL;
}

// The whole allocator: "imported", "imported_calloc" with a calloc, or "imported_aligned" with an
// aligned_alloc.
static inline lm_allocator odd_allocator(const char *name) {
    lm_allocator imported = {.name = name,
                             .capabilities = LM_FREES_BLOCKS,
                             .start = odd_base()->start,
                             .allocate = odd_allocate,
                             .resize = odd_resize,
                             .free = odd_free,
                             .validate = odd_base()->validate};
    if (strcmp(name, "imported_calloc") == 0) imported.allocate_zeroed = odd_allocate_zeroed;
    if (strcmp(name, "imported_aligned") == 0) imported.allocate_aligned = odd_allocate_aligned;
    return imported;
}
