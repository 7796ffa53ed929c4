// For tests: an imported allocator with the unusual behaviour that the C standard allows a malloc.
// Blocks are aligned to 16 and to only 8 bytes in turn, allocate(0) returns NULL, and resize always
// moves the block; with size 0 it frees it; it fails to shrink if the next block would be aligned
// to 16. Built on tlsf.
#pragma once

#include "alloc/registry.h"
#include "alloc/strategies/strategy.h"

#include <string.h>

enum { IMPORTED_HEAD_BYTES = 16 }; // before a block: distance to the start of tlsf's block, size

static uint32_t imported_turn; // if even, the next block is aligned to 16

static inline const lm_allocator *imported_base(void) {
    return lm_strategy_named("tlsf", 2);
}

// Makes the block at `shift` bytes into tlsf's block, with its head before it.
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

// An optional calloc.
static inline void *imported_allocate_zeroed(size_t size, lm_memory *memory) {
    void *block = imported_allocate(size, memory);
    return block ? memset(block, 0, size) : NULL;
}

// An optional aligned_alloc; resize_aligned is always NULL.
static inline void *imported_allocate_aligned(size_t alignment, size_t size, lm_memory *memory) {
    uint32_t shift =
        (uint32_t)alignment < 2 * IMPORTED_HEAD_BYTES ? IMPORTED_HEAD_BYTES : (uint32_t)alignment;
    if (size == 0 || size > UINT32_MAX - 64 - shift) return NULL;
    unsigned char *block = imported_base()->allocate_aligned(alignment, size + shift, memory);
    return block ? imported_block(block, shift, size) : NULL;
}

// The allocator table: "imported", "imported_calloc" with a calloc, or "imported_aligned" with an
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
