#include "alloc/conformance/checked_heap.h"

#include "alloc/conformance/pattern.h"

enum {
    SCOPES_MAX = 64,
    USED_BYTES = 65536, // of used memory: the first 4 KiB, and 256 bytes of each further 4 KiB
    USED_STEP_BYTES = 4096,
    USED_PART_BYTES = 256,
};

static bool can(const checked_heap *h, lm_capability capability) {
    return h->oracle.allocator->capabilities & capability;
}

// Writes to the memory from the heap's start on. With wrong calls it must not look like blocks.
static void leave_used(const checked_heap *h) {
    const lm_memory *m = h->oracle.memory;
    uint64_t start = m->heap_start, end = (uint64_t)m->pages * LM_PAGE_BYTES;
    if (start < CHECKED_USED_START_MIN || h->wrong_calls) return;
    if (end > start + USED_BYTES) end = start + USED_BYTES;
    uint64_t whole_end = start + USED_STEP_BYTES;
    for (uint64_t at = start; at + USED_PART_BYTES <= end;
         at += at < whole_end ? USED_PART_BYTES : USED_STEP_BYTES) {
        pattern_fill(m->base + at, (uint32_t)at, USED_PART_BYTES, 0);
        if (h->oracle.tracker) h->oracle.tracker->wrote(m->base + at, USED_PART_BYTES);
    }
}

bool checked_start(checked_heap *h, const lm_allocator *allocator, lm_memory *memory,
                   const checked_options *options) {
    oracle_begin(&h->oracle, allocator, memory);
    h->oracle.tracker = options->tracker;
    h->oracle.steps = options->steps;
    h->oracle.clears = h->wrong_calls = options->wrong_calls;
    h->opened = 0;
    h->depth = h->skipped = 0;
    h->answer = CHECKED_NOT_ASKED;
    leave_used(h);
    h->started = allocator->start(memory);
    return oracle_started(&h->oracle, h->started);
}

bool checked_allocate(checked_heap *h, uint32_t number, uint32_t size, uint32_t alignment,
                      bool zeroed) {
    const lm_allocator *allocator = h->oracle.allocator;
    lm_memory *memory = h->oracle.memory;
    bool aligned = alignment != LM_BLOCK_ALIGNMENT;
    oracle_request request = {number, size, alignment, h->depth, zeroed && !aligned};
    if (oracle_is_full(&h->oracle)) {
        h->skipped++;
        return true;
    }
    oracle_before(&h->oracle);
    void *block = aligned          ? allocator->allocate_aligned(alignment, size, memory)
                  : request.zeroed ? allocator->allocate_zeroed(size, memory)
                                   : allocator->allocate(size, memory);
    h->answer = block ? CHECKED_SERVED : CHECKED_FAILED;
    return oracle_allocated(&h->oracle, &request, block);
}

bool checked_resize(checked_heap *h, uint32_t number, uint32_t size) {
    const lm_allocator *allocator = h->oracle.allocator;
    lm_memory *memory = h->oracle.memory;
    oracle_extent *e = oracle_find(&h->oracle, number);
    if (!e) return true;
    if (!oracle_resizing(&h->oracle, e)) return false;
    void *old = oracle_address(&h->oracle, e);
    oracle_before(&h->oracle);
    void *block = e->alignment == LM_BLOCK_ALIGNMENT
                      ? allocator->resize(old, size, memory)
                      : allocator->resize_aligned(old, size, e->alignment, memory);
    h->answer = block ? CHECKED_SERVED : CHECKED_FAILED;
    return oracle_resized(&h->oracle, e, size, h->depth, block);
}

static bool free_block(checked_heap *h, oracle_extent *e) {
    void *block = oracle_address(&h->oracle, e);
    if (!oracle_freeing(&h->oracle, e)) return false;
    oracle_before(&h->oracle);
    h->oracle.allocator->free(block, e->number % 2 ? e->size : 0, h->oracle.memory);
    return oracle_freed(&h->oracle);
}

bool checked_free(checked_heap *h, uint32_t number) {
    oracle_extent *e = oracle_find(&h->oracle, number);
    if (e) return free_block(h, e);
    oracle_before(&h->oracle);
    h->oracle.allocator->free(NULL, 0, h->oracle.memory);
    return oracle_freed(&h->oracle);
}

// ---- Scopes and resets --------------------------------------------------------------------------

// Removes the blocks of the scopes from `scope` on, the highest first; if `freed`, frees each of
// them by a call.
static bool end_blocks(checked_heap *h, uint32_t scope, bool freed) {
    for (uint32_t i = h->oracle.count; i-- > 0;) {
        oracle_extent *e = &h->oracle.extents[h->oracle.order[i]];
        if (e->foreign || e->scope < scope) continue;
        if (!(freed ? free_block(h, e) : oracle_freeing(&h->oracle, e))) return false;
    }
    return true;
}

bool checked_open(checked_heap *h) {
    uint32_t scope = h->depth++;
    if (!can(h, LM_NESTS_SCOPES) || scope >= SCOPES_MAX) return true;
    oracle_before(&h->oracle);
    bool opened = h->oracle.allocator->open_scope(h->oracle.memory);
    h->opened |= (uint64_t)opened << scope;
    return oracle_opened(&h->oracle, opened);
}

bool checked_close(checked_heap *h) {
    if (h->depth == 0) return true;
    uint32_t scope = --h->depth;
    bool opened = scope < SCOPES_MAX && h->opened >> scope & 1;
    if (!end_blocks(h, scope + 1, !opened)) return false;
    if (!opened) return true;
    h->opened &= ~((uint64_t)1 << scope);
    h->oracle.allocator->close_scope(h->oracle.memory);
    return oracle_closed(&h->oracle);
}

bool checked_reset(checked_heap *h) {
    if (!end_blocks(h, 0, false)) return false;
    h->opened = h->depth = 0;
    h->oracle.allocator->reset(h->oracle.memory);
    return oracle_reset(&h->oracle);
}

// ---- The memory ---------------------------------------------------------------------------------

bool checked_grow_foreign(checked_heap *h, uint32_t pages) {
    if (h->oracle.foreign == ORACLE_FOREIGN_MAX) return true;
    oracle_before(&h->oracle);
    lm_memory_grow_foreign(h->oracle.memory, pages);
    return oracle_foreign(&h->oracle);
}

void checked_thread(checked_heap *h, uint32_t thread) {
    lm_memory *memory = h->oracle.memory;
    bool shared = can(h, LM_SHARES_THREADS) && !memory->moving && !h->wrong_calls;
    if (shared && thread < LM_THREADS_MAX) memory->thread = thread;
}

void checked_move(checked_heap *h) {
    lm_memory *memory = h->oracle.memory;
    if (memory->thread || oracle_sees_threads(&h->oracle)) return;
    memory->moving = true;
    lm_memory_move(memory); // stays if there is no address space left
}

// ---- The end ------------------------------------------------------------------------------------

// Frees all blocks from the highest down; if their number is odd, first every second one, so that
// the others merge on both sides.
static bool free_all(checked_heap *h) {
    uint32_t stride = 1 + h->oracle.count % 2;
    for (uint32_t i = h->oracle.count; stride == 2 && i >= 2; i -= 2) {
        oracle_extent *e = &h->oracle.extents[h->oracle.order[i - 1]];
        if (!e->foreign && !free_block(h, e)) return false;
    }
    return end_blocks(h, 0, true);
}

bool checked_end(checked_heap *h) {
    if (!h->started) return true;
    lm_memory_refuse(h->oracle.memory, 0);
    while (h->depth)
        if (!checked_close(h)) return false;
    if (!oracle_ending(&h->oracle)) return false;
    return free_all(h) && oracle_conserves(&h->oracle);
}
