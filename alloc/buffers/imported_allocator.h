// For tests: an imported allocator that is all that a malloc may be. Blocks lie at 8 and at 16
// bytes in turn, allocate(0) is NULL, resize moves always, and to 0 it frees; to fewer bytes it
// fails where the next block would lie at 16. Over tlsf.
#pragma once

#include "alloc/registry.h"
#include "alloc/strategies/strategy.h"

#include <string.h>

enum { IMPORTED_HEAD_BYTES = 16 }; // before a block: how far back tlsf's begins, and its size

static uint32_t imported_turn; // the next block lies at 16 where it is even

static inline const lm_allocator *imported_base(void) {
    return lm_strategy_named("tlsf", 2);
}

// The block that begins so far behind tlsf's, with its head before it.
static inline void *imported_block(unsigned char *block, uint32_t shift, size_t size) {
    uint32_t head[2] = {shift, (uint32_t)size};
    memcpy(block + shift - sizeof head, head, sizeof head);
    return block + shift;
}

static inline void *imported_allocate(size_t size, lm_memory *memory) {
    if (size == 0 || size > UINT32_MAX - 64) return NULL;
    uint32_t shift = IMPORTED_HEAD_BYTES + (imported_turn++ % 2 ? 8 : 0);
    unsigned char *block = imported_base()->allocate(size + shift, memory);
    return block ? imported_block(block, shift, size) : NULL;
}

static inline void imported_free(void *block, size_t size, lm_memory *memory) {
    uint32_t head[2];
    (void)size;
    if (!block) return;
    memcpy(head, (unsigned char *)block - sizeof head, sizeof head);
    imported_base()->free((unsigned char *)block - head[0], 0, memory);
}

static inline void *imported_resize(void *block, size_t size, lm_memory *memory) {
    uint32_t from = lm_offset(memory, block), head[2];
    memcpy(head, (unsigned char *)block - sizeof head, sizeof head);
    if (size == 0) {
        imported_free(block, 0, memory);
        return NULL;
    }
    if (size < head[1] && imported_turn % 2 == 0) return NULL;
    void *to = imported_allocate(size, memory);
    if (!to) return NULL;
    memcpy(to, lm_at(memory, from), head[1] < size ? head[1] : size);
    imported_free(lm_at(memory, from), 0, memory);
    return to;
}

// A calloc, which the buffer table may be given with the others.
static inline void *imported_allocate_zeroed(size_t size, lm_memory *memory) {
    void *block = imported_allocate(size, memory);
    return block ? memset(block, 0, size) : NULL;
}

// An aligned_alloc, which the buffer table may be given as well; there is none that resizes.
static inline void *imported_allocate_aligned(size_t alignment, size_t size, lm_memory *memory) {
    uint32_t shift =
        (uint32_t)alignment < 2 * IMPORTED_HEAD_BYTES ? IMPORTED_HEAD_BYTES : (uint32_t)alignment;
    if (size == 0 || size > UINT32_MAX - 64 - shift) return NULL;
    unsigned char *block = imported_base()->allocate_aligned(alignment, size + shift, memory);
    return block ? imported_block(block, shift, size) : NULL;
}

// The whole allocator: "imported", "imported_calloc" with a calloc, or "imported_aligned" with an
// aligned_alloc.
static inline lm_allocator imported_allocator(const char *name) {
    lm_allocator imported = {.name = name,
                             .capabilities = LM_FREES_BLOCKS,
                             .start = imported_base()->start,
                             .allocate = imported_allocate,
                             .resize = imported_resize,
                             .free = imported_free,
                             .validate = imported_base()->validate};
    if (strcmp(name, "imported_calloc") == 0) imported.allocate_zeroed = imported_allocate_zeroed;
    if (strcmp(name, "imported_aligned") == 0)
        imported.allocate_aligned = imported_allocate_aligned;
    return imported;
}
