// Rounds: the same calls repeated, each round ending without live blocks. After the first few
// rounds the memory must not grow: the law `steady` (alloc/conformance/laws.def), as the
// conformance suite, the fuzzing oracle and its reproducers check it.
#pragma once

#include "alloc/allocator.h"

#include <string.h>

enum {
    LM_ROUNDS_LEARNT = 8, // rounds in which the memory may grow
    LM_ROUNDS = 40,       // rounds that lm_rounds runs, those included

    // Limits that bound the time: further calls, blocks with higher numbers, and requests for more
    // bytes or a larger alignment are skipped.
    LM_ROUND_CALLS_MAX = 1024,
    LM_ROUND_BLOCKS_MAX = 1024,
    LM_ROUND_BYTES_MAX = 1 << 18,
    LM_ROUND_SCOPES_MAX = 64,

    // paged's free runs are at other addresses in each round, so occasionally a run does not fit
    // into a gap, or a slab becomes larger (paged.c, "How a heap ages"): half as many pages
    // again, and 8.
    LM_ROUNDS_PAGED_SHARE = 2,
    LM_ROUNDS_PAGED_PAGES = 8,
};

typedef enum lm_round_verb {
    LM_ROUND_ALLOCATE,
    LM_ROUND_RESIZE,
    LM_ROUND_FREE,
    LM_ROUND_OPEN,
    LM_ROUND_CLOSE,
    LM_ROUND_RESET,
} lm_round_verb;

typedef struct lm_round_call {
    lm_round_verb verb;
    uint32_t block; // its number
    uint32_t size, alignment;
} lm_round_call;

typedef struct lm_round_block {
    uint64_t offset; // from the memory's base, which may move; 0: there is no block
    uint32_t alignment, depth;
} lm_round_block;

typedef struct lm_round {
    const lm_allocator *allocator;
    lm_memory *memory;
    uint32_t depth;  // the number of open scopes
    uint64_t opened; // a bit for each scope that is open in the heap too
    lm_round_block blocks[LM_ROUND_BLOCKS_MAX];
} lm_round;

// Returns the maximum number of pages after any further round, if the memory had `learnt` pages
// after LM_ROUNDS_LEARNT rounds.
static inline uint32_t lm_rounds_pages_max(const lm_allocator *allocator, uint32_t learnt) {
    bool is_paged = strncmp(allocator->name, "paged", strlen("paged")) == 0;
    return is_paged ? learnt + learnt / LM_ROUNDS_PAGED_SHARE + LM_ROUNDS_PAGED_PAGES : learnt;
}

static inline void *lm_round_address(const lm_round *r, const lm_round_block *b) {
    return b->offset ? lm_memory_base(r->memory) + b->offset : NULL;
}
static inline uint64_t lm_round_offset(const lm_round *r, const void *block) {
    return (uint64_t)((const unsigned char *)block - lm_memory_base(r->memory));
}

static inline void lm_round_allocate(lm_round *r, const lm_round_call *call) {
    bool aligned = call->alignment > LM_BLOCK_ALIGNMENT;
    void *block = aligned ? r->allocator->allocate_aligned(call->alignment, call->size, r->memory)
                          : r->allocator->allocate(call->size, r->memory);
    uint64_t offset = block ? lm_round_offset(r, block) : 0;
    r->blocks[call->block] = (lm_round_block){offset, call->alignment, r->depth};
}

static inline void lm_round_resize(lm_round *r, const lm_round_call *call) {
    lm_round_block *b = &r->blocks[call->block];
    void *old = lm_round_address(r, b), *block;
    if (!old) return;
    if (b->alignment > LM_BLOCK_ALIGNMENT)
        block = r->allocator->resize_aligned(old, call->size, b->alignment, r->memory);
    else
        block = r->allocator->resize(old, call->size, r->memory);
    b->depth = r->depth;
    if (block) b->offset = lm_round_offset(r, block);
}

// Removes the blocks of the scopes from `depth` on; if `freed`, frees each of them by a call.
static inline void lm_round_end_blocks(lm_round *r, uint32_t depth, bool freed) {
    for (uint32_t i = 0; i < LM_ROUND_BLOCKS_MAX; i++) {
        lm_round_block *b = &r->blocks[i];
        if (!b->offset || b->depth < depth) continue;
        if (freed) r->allocator->free(lm_round_address(r, b), 0, r->memory);
        b->offset = 0;
    }
}

static inline void lm_round_open(lm_round *r) {
    uint32_t scope = r->depth++;
    bool opens = r->allocator->open_scope && scope < LM_ROUND_SCOPES_MAX;
    if (opens && r->allocator->open_scope(r->memory)) r->opened |= UINT64_C(1) << scope;
}

static inline void lm_round_close(lm_round *r) {
    if (r->depth == 0) return;
    uint32_t scope = --r->depth;
    bool opened = scope < LM_ROUND_SCOPES_MAX && r->opened >> scope & 1;
    lm_round_end_blocks(r, scope + 1, !opened);
    if (!opened) return;
    r->opened &= ~(UINT64_C(1) << scope);
    r->allocator->close_scope(r->memory);
}

static inline void lm_round_reset(lm_round *r) {
    lm_round_end_blocks(r, 0, false);
    r->allocator->reset(r->memory);
    r->depth = 0;
    r->opened = 0;
}

static inline void lm_round_call_play(lm_round *r, const lm_round_call *call) {
    bool played = call->block < LM_ROUND_BLOCKS_MAX && call->size <= LM_ROUND_BYTES_MAX &&
                  call->alignment <= LM_ROUND_BYTES_MAX;
    if (!played) return;
    switch (call->verb) {
    case LM_ROUND_ALLOCATE:
        lm_round_allocate(r, call);
        return;
    case LM_ROUND_RESIZE:
        lm_round_resize(r, call);
        return;
    case LM_ROUND_FREE:
        r->allocator->free(lm_round_address(r, &r->blocks[call->block]), 0, r->memory);
        r->blocks[call->block].offset = 0;
        return;
    case LM_ROUND_OPEN:
        lm_round_open(r);
        return;
    case LM_ROUND_CLOSE:
        lm_round_close(r);
        return;
    case LM_ROUND_RESET:
        lm_round_reset(r);
    }
}

// Runs a round: the calls, then closes all scopes and frees all blocks.
static inline void lm_round_play(lm_round *r, const lm_round_call *calls, size_t count) {
    for (size_t i = 0; i < count; i++)
        lm_round_call_play(r, &calls[i]);
    while (r->depth)
        lm_round_close(r);
    if (r->allocator->capabilities & LM_FREES_BLOCKS)
        lm_round_end_blocks(r, 0, true);
    else
        lm_round_reset(r);
}

// The pages of the memory after LM_ROUNDS_LEARNT rounds and after all rounds.
typedef struct lm_rounds_pages {
    uint32_t learnt, last;
} lm_rounds_pages;

// Runs LM_ROUNDS rounds in a heap without live blocks. `round` is zero except for its allocator and
// memory.
static inline lm_rounds_pages lm_rounds(lm_round *round, const lm_round_call *calls, size_t count) {
    lm_rounds_pages pages = {0};
    for (int i = 0; i < LM_ROUNDS; i++) {
        if (i == LM_ROUNDS_LEARNT) pages.learnt = lm_memory_pages(round->memory);
        lm_round_play(round, calls, count);
    }
    pages.last = lm_memory_pages(round->memory);
    return pages;
}
