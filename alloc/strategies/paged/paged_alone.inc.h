// paged for one thread: the heap follows the runs, no other thread frees its blocks, and there is
// nothing to lock.
#pragma once

#include "alloc/strategies/strategy.h"

// Parameters: the strategy has included paged_state.inc.h and page_runs.inc.h. What paged.inc.h
// defines:
static inline page *slab_current(const lm_memory *m, const heap *h, uint32_t class);
static page *slab_ready(const lm_memory *m, uint32_t class);
static inline uint32_t slab_pop(const lm_memory *m, page *p);
static inline void slab_push(const lm_memory *m, page *p, uint32_t block);
static void paged_slabs_none(const lm_memory *m, heap *h);
static void paged_free_large(uint32_t block, lm_memory *m);
static void slab_free(page *p, uint32_t block, lm_memory *m);

typedef struct state {
    page_runs runs;
    heap heap;
} state;

static inline heap *heap_of(const lm_memory *m) {
    return &((state *)lm_at(m, m->heap_start))->heap;
}
static inline heap *heap_owner(const lm_memory *m, const page *p) {
    (void)p;
    return heap_of(m);
}
static void heap_forget_all(const lm_memory *m) {
    paged_slabs_none(m, heap_of(m));
}
static inline bool heap_ready(lm_memory *m) {
    (void)m;
    return true;
}

// A handle is an offset from the table, as the table moves.
static inline page *heap_page(const lm_memory *m, uint32_t handle) {
    return lm_at(m, runs_of(m)->table.at + handle);
}
static inline uint32_t heap_handle(const lm_memory *m, const page *p) {
    return lm_offset(m, p) - runs_of(m)->table.at;
}

static inline void heap_lock(const lm_memory *m) {
    (void)m;
}
static inline void heap_unlock(const lm_memory *m) {
    (void)m;
}
static inline const page_tag *tag_of(const lm_memory *m, uint32_t block) {
    return runs_page_of(m, runs_of(m), block);
}
// `back` is in bytes, to be subtracted without a multiplication.
static inline page *tag_slab(const lm_memory *m, const page_tag *tag) {
    (void)m;
    return (page *)(uintptr_t)((const unsigned char *)tag - tag->back);
}
static inline bool tag_is_large(const page_tag *tag) {
    return tag->kind == PAGE_LARGE;
}
static inline bool tag_is_ours(const lm_memory *m, const page_tag *tag) {
    (void)m, (void)tag;
    return true;
}
static inline void tag_set_slab(const lm_memory *m, page *p, uint32_t first, uint32_t i) {
    (void)m, (void)first;
    p->back = (uint16_t)(i * sizeof(page));
}
static inline void tag_set_large(const lm_memory *m, uint32_t n) {
    (void)m, (void)n;
}
static inline bool tag_is_part(const lm_memory *m, const page *p, uint32_t i) {
    (void)m;
    return p[i].back == i * sizeof(page);
}
static inline bool heap_is_cached(const lm_memory *m, uint32_t class, uint32_t block) {
    (void)m, (void)class, (void)block;
    return false;
}
static inline bool heap_empty_caches(lm_memory *m) {
    (void)m;
    return false;
}
static inline void heap_take_mail(lm_memory *m) {
    (void)m;
}

static inline uint32_t heap_block_now(const lm_memory *m, uint32_t class) {
    page *p = slab_current(m, heap_of(m), class);
    return LM_LIKELY(p->free) ? slab_pop(m, p) : 0;
}
static uint32_t heap_block_ready(const lm_memory *m, uint32_t class) {
    page *p = slab_ready(m, class);
    return p ? slab_pop(m, p) : 0;
}

// Frees the last live block of a slab, the first of a full one, or a large block.
static __attribute__((noinline)) void heap_free_slow(page *p, uint32_t block, lm_memory *m) {
    if (p->kind == PAGE_LARGE)
        paged_free_large(block, m);
    else
        slab_free(p, block, m);
}
static inline void heap_release(uint32_t block, lm_memory *m) {
    page *p = tag_slab(m, tag_of(m, block));
    if (LM_UNLIKELY(!p->free || p->used == 1))
        heap_free_slow(p, block, m);
    else
        slab_push(m, p, block);
}

static inline bool heap_owner_holds(const lm_memory *m, const page *p) {
    (void)m, (void)p;
    return true;
}
static inline const char *heap_validate_all(const lm_memory *m, lm_census *census) {
    (void)m, (void)census;
    return NULL;
}
