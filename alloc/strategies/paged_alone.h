// paged for one thread: its heap lies behind the runs, nobody else frees its blocks, and there is
// nothing to lock.
#pragma once

enum { PAGED_CAPABILITIES = 0 };

typedef struct state {
    page_runs runs;
    heap heap;
} state;

static inline heap *heap_of(const lm_memory *m) {
    return &((state *)lm_at(m, m->heap_start))->heap;
}
static inline heap *owner_of(const lm_memory *m, const page *p) {
    (void)p;
    return heap_of(m);
}
static void heaps_none(const lm_memory *m) {
    slabs_none(m, heap_of(m));
}
static inline bool heap_ready(lm_memory *m) {
    (void)m;
    return true;
}

// A handle names a descriptor wherever the table moves: it counts from the table.
static inline page *page_by(const lm_memory *m, uint32_t handle) {
    return lm_at(m, runs_of(m)->table.at + handle);
}
static inline uint32_t handle_of(const lm_memory *m, const page *p) {
    return lm_offset(m, p) - runs_of(m)->table.at;
}

static inline void lock(const lm_memory *m) {
    (void)m;
}
static inline void unlock(const lm_memory *m) {
    (void)m;
}
// The slab of a block whose page is p: `back` counts bytes, which are subtracted as they are.
static inline page *slab_of(const lm_memory *m, page *p, uint32_t block) {
    (void)m, (void)block;
    return (page *)(void *)((unsigned char *)p - p->back);
}
static inline uint32_t pages_back(const page *p) {
    return p->back / (uint32_t)sizeof(page);
}
static inline void set_slab(const lm_memory *m, page *p, uint32_t first, uint32_t back) {
    (void)m, (void)first;
    p->back = (uint16_t)(back * sizeof(page));
}
static inline bool is_ours(const lm_memory *m, const page *p) {
    (void)m, (void)p;
    return true;
}
static inline void give_back(const lm_memory *m, page *p, uint32_t block) {
    (void)m, (void)p, (void)block;
}
static inline bool has_come_back(const lm_memory *m, const page *p, uint32_t block) {
    (void)m, (void)p, (void)block;
    return false;
}
static inline bool collect(const lm_memory *m, page *p) {
    (void)m, (void)p;
    return false;
}
static inline void retire(const lm_memory *m, heap *h, page *p) {
    (void)m, (void)h, (void)p;
}
static inline void relist(page *p) {
    (void)p;
}
static inline void take_mail(lm_memory *m, void (*release)(uint32_t, lm_memory *)) {
    (void)m, (void)release;
}
static inline uint32_t remote_of(const page *p) {
    (void)p;
    return 0;
}
static inline void count_all_mail(const lm_memory *m,
                                  void (*count)(const lm_memory *, uint32_t, lm_census *),
                                  lm_census *census) {
    (void)m, (void)count, (void)census;
}
