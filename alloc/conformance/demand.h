// Counts the demand on a heap (lm_demand) from outside, call by call, for tests that check
// heap_bytes_max. The caller stores the share of each block, in bytes.
#pragma once

#include "alloc/allocator.h"

enum { LM_DEMAND_SCOPES_MAX = 64 }; // blocks of deeper ones count as spent until the reset

typedef struct lm_demand_meter {
    lm_demand most;
    uint64_t live_bytes, live_blocks, spent_bytes; // current
    uint64_t spent_outside[LM_DEMAND_SCOPES_MAX];  // at the opening of each open scope
    uint32_t scopes;
} lm_demand_meter;

static inline void lm_demand_raise(uint64_t *most, uint64_t now) {
    if (now > *most) *most = now;
}

// Adds a block with a share of `bytes`, which increases the live bytes by `more`.
static inline void lm_demand_add(lm_demand_meter *meter, uint64_t bytes, uint64_t more,
                                 uint64_t alignment) {
    meter->live_bytes += more;
    meter->spent_bytes += bytes + (alignment > LM_BLOCK_ALIGNMENT ? alignment : 0);
    lm_demand_raise(&meter->most.live_bytes, meter->live_bytes);
    lm_demand_raise(&meter->most.live_blocks, meter->live_blocks);
    lm_demand_raise(&meter->most.block_bytes, bytes);
    lm_demand_raise(&meter->most.alignment, alignment);
    lm_demand_raise(&meter->most.spent_bytes, meter->spent_bytes);
}

// Counts an allocated block. Returns its share.
static inline uint64_t lm_demand_allocated(lm_demand_meter *meter, const lm_allocator *allocator,
                                           size_t size, size_t alignment) {
    uint64_t bytes = allocator->block_bytes_max(size, alignment);
    meter->live_blocks++;
    lm_demand_add(meter, bytes, bytes, alignment);
    return bytes;
}

// Removes a block with a share of `bytes`, freed by a call or by the end of its scope.
static inline void lm_demand_freed(lm_demand_meter *meter, uint64_t bytes) {
    meter->live_bytes -= bytes;
    meter->live_blocks--;
}

// Counts the resize of a block with a share of `bytes`. Returns its new share.
static inline uint64_t lm_demand_resized(lm_demand_meter *meter, const lm_allocator *allocator,
                                         uint64_t bytes, size_t size, size_t alignment,
                                         bool moved) {
    uint64_t now = 2 * allocator->block_bytes_max(size, alignment);
    if (!moved && now < bytes) now = bytes;
    meter->live_blocks += moved;
    lm_demand_add(meter, now, moved ? now : now - bytes, alignment);
    if (moved) lm_demand_freed(meter, bytes);
    return now;
}

// Counts a reset, which frees all blocks.
static inline void lm_demand_reset(lm_demand_meter *meter) {
    meter->live_bytes = meter->live_blocks = meter->spent_bytes = meter->scopes = 0;
}

// Count the opening of a scope, whose record counts as a block of the smallest size, and the
// closing of the scope opened last, after its blocks were removed.
static inline void lm_demand_opened(lm_demand_meter *meter, const lm_allocator *allocator) {
    uint32_t scope = meter->scopes++;
    if (scope < LM_DEMAND_SCOPES_MAX) meter->spent_outside[scope] = meter->spent_bytes;
    lm_demand_add(meter, 2 * allocator->block_bytes_max(LM_BLOCK_ALIGNMENT, 1), 0, 1);
}
static inline void lm_demand_closed(lm_demand_meter *meter) {
    uint32_t scope = --meter->scopes;
    if (scope < LM_DEMAND_SCOPES_MAX) meter->spent_bytes = meter->spent_outside[scope];
}

// Counts a growth of the memory by other code.
static inline void lm_demand_foreign(lm_demand_meter *meter, uint32_t pages) {
    meter->most.foreign_growths++;
    meter->most.foreign_bytes += (uint64_t)pages * LM_PAGE_BYTES;
}
