// paged for several threads on a shared memory: a heap for each thread, and how blocks come back
// from other threads. memory->thread says who calls.
//
// A slab is of the thread that made it, and only that thread touches its list, so allocate and free
// of own blocks need no atomic operation. What is common, the runs and their table, has a lock,
// which is held for a bounded number of steps and perhaps one growth; the table's descriptors never
// move, so any thread finds a block's slab without it.
//
//     state: [ runs | lock | heaps 0 … 63 | none ]        heap of a thread: a run of its own
//                            every thread's, `none` until it first allocates
//
// A block that another thread frees goes on its slab's `remote` list, by compare-and-swap; the
// owner takes the whole list at once when the slab has nothing else left, so the list is pushed and
// emptied and never popped: no ABA. A slab without a free block that is not the current one is on
// no list of its owner's, who would never look at it: its `remote` says UNLISTED. Who frees the
// first block into it takes that mark away and puts the block into the owner's mail instead; the
// owner frees its mail's blocks itself, as it goes for more memory, and lists the slab again.
//
//     remote:  0  --free-->  block  --free-->  block, block  --owner collects-->  0
//              0  --owner retires-->  UNLISTED  --free, by mail-->  0  --free-->  block …
//
// Orders. A freed block's bytes, and the free itself, must be seen by the owner who reuses it:
// pushing is a release, collecting an acquire. What a descriptor says of kind, class, back and
// thread is written with the lock before the first block of the run is handed out, and reaches
// other threads with that block, however it is passed on; it changes only when no block is live.
#pragma once

enum {
    PAGED_CAPABILITIES = LM_SHARES_THREADS,
    UNLISTED = 1,
};

typedef struct state {
    page_runs runs;
    uint32_t lock;
    uint32_t heaps[LM_THREADS_MAX]; // their offsets
    heap none;                      // of who has not allocated yet: no slab at all
} state;

static inline state *state_of(const lm_memory *m) {
    return lm_at(m, m->heap_start);
}
static inline heap *heap_by(const lm_memory *m, uint32_t thread) {
    return lm_at(m, state_of(m)->heaps[thread]);
}
static inline heap *heap_of(const lm_memory *m) {
    return heap_by(m, m->thread);
}

// A thread that holds it is never waited for by itself: no function here takes it twice.
static void lock(const lm_memory *m) {
    uint32_t *word = &state_of(m)->lock;
    while (__atomic_exchange_n(word, 1, __ATOMIC_ACQUIRE))
        while (__atomic_load_n(word, __ATOMIC_RELAXED))
            ;
}
static void unlock(const lm_memory *m) {
    __atomic_store_n(&state_of(m)->lock, 0, __ATOMIC_RELEASE);
}

// No thread has a heap. Called while no other thread calls.
static void heaps_none(const lm_memory *m) {
    state *s = state_of(m);
    s->lock = 0;
    for (uint32_t t = 0; t < LM_THREADS_MAX; t++)
        s->heaps[t] = lm_offset(m, &s->none);
    slabs_none(m, &s->none);
}

// The calling thread has a heap, or gets one. False: no memory.
static void reclaim_nothing(lm_memory *m) {
    (void)m;
}
static bool heap_ready(lm_memory *m) {
    if (LM_LIKELY(heap_of(m) != &state_of(m)->none)) return true;
    lock(m);
    uint32_t pages = pages_for(sizeof(heap)), n = run_take(m, pages, reclaim_nothing);
    if (n) run_claim(m, runs_of(m), n, pages, PAGE_HEAP);
    unlock(m);
    if (!n) return false;
    slabs_none(m, lm_at(m, n << PAGE_SHIFT));
    state_of(m)->heaps[m->thread] = n << PAGE_SHIFT;
    return true;
}

// A handle is an offset: descriptors stay.
static inline page *page_by(const lm_memory *m, uint32_t handle) {
    return lm_at(m, handle);
}
static inline uint32_t handle_of(const lm_memory *m, const page *p) {
    return lm_offset(m, p);
}

static inline heap *owner_of(const lm_memory *m, const page *p) {
    return heap_by(m, p->thread);
}
static inline page *slab_of(const lm_memory *m, page *p, uint32_t block) {
    return p->back ? page_at(m, runs_of(m), (block >> PAGE_SHIFT) - p->back) : p;
}
static inline uint32_t pages_back(const page *p) {
    return p->back;
}
static inline void set_slab(const lm_memory *m, page *p, uint32_t first, uint32_t back) {
    p->back = (uint8_t)back;
    p->thread = (uint8_t)m->thread;
    p->number = first;
}
static inline bool is_ours(const lm_memory *m, const page *p) {
    return p->thread == m->thread;
}

static void push_shared(const lm_memory *m, uint32_t *list, uint32_t head, uint32_t block) {
    do {
        *link_of(m, block) = head;
    } while (
        !__atomic_compare_exchange_n(list, &head, block, true, __ATOMIC_RELEASE, __ATOMIC_RELAXED));
}

// Frees a block into another thread's slab.
static void give_back(const lm_memory *m, page *p, uint32_t block) {
    uint32_t head = __atomic_load_n(&p->remote, __ATOMIC_RELAXED);
    for (;;) {
        uint32_t next = head == UNLISTED ? 0 : block;
        *link_of(m, block) = head;
        if (__atomic_compare_exchange_n(&p->remote, &head, next, true, __ATOMIC_RELEASE,
                                        __ATOMIC_RELAXED))
            break;
    }
    if (head != UNLISTED) return;
    uint32_t *mail = &owner_of(m, p)->mail;
    push_shared(m, mail, __atomic_load_n(mail, __ATOMIC_RELAXED), block);
}

// Whether another thread has freed a block of ours that we have not collected: nobody else takes
// blocks off these lists.
static bool has_come_back(const lm_memory *m, const page *p, uint32_t block) {
    const uint32_t *lists[] = {&p->remote, &heap_of(m)->mail};
    for (uint32_t i = 0; i < 2; i++) {
        uint32_t b = __atomic_load_n(lists[i], __ATOMIC_ACQUIRE);
        for (; b && b != UNLISTED; b = *link_of(m, b))
            if (b == block) return true;
    }
    return false;
}

// What others have freed comes on the slab's own list. False: nothing did.
static bool collect(const lm_memory *m, page *p) {
    if (!__atomic_load_n(&p->remote, __ATOMIC_RELAXED)) return false;
    uint32_t first = __atomic_exchange_n(&p->remote, 0, __ATOMIC_ACQUIRE), last = first;
    p->used--;
    for (uint32_t next; (next = *link_of(m, last)) != 0; last = next)
        p->used--;
    *link_of(m, last) = p->free;
    p->free = first;
    return true;
}

// A full slab that is no longer the current one is on no list, unless something has just come back.
static void retire(const lm_memory *m, heap *h, page *p) {
    uint32_t none = 0;
    if (p->kind != PAGE_SLAB) return; // there was no slab
    if (!p->free &&                   // else something came back while more was looked for
        __atomic_compare_exchange_n(&p->remote, &none, UNLISTED, false, __ATOMIC_RELAXED,
                                    __ATOMIC_RELAXED))
        return;
    collect(m, p);
    partial_insert(m, h, p);
}

// The owner lists a slab again: others need not tell it.
static void relist(page *p) {
    __atomic_fetch_and(&p->remote, ~(uint32_t)UNLISTED, __ATOMIC_RELAXED);
}

static void take_mail(lm_memory *m, void (*release)(uint32_t, lm_memory *)) {
    uint32_t *mail = &heap_of(m)->mail;
    if (!__atomic_load_n(mail, __ATOMIC_RELAXED)) return;
    for (uint32_t block = __atomic_exchange_n(mail, 0, __ATOMIC_ACQUIRE), next; block;
         block = next) {
        next = *link_of(m, block);
        release(block, m);
    }
}

// For the walk, while no other thread calls.
static uint32_t remote_of(const page *p) {
    return p->remote == UNLISTED ? 0 : p->remote;
}
static void count_all_mail(const lm_memory *m,
                           void (*count)(const lm_memory *, uint32_t, lm_census *),
                           lm_census *census) {
    for (uint32_t t = 0; t < LM_THREADS_MAX; t++)
        for (uint32_t block = heap_by(m, t)->mail; block; block = *link_of(m, block))
            count(m, block, census);
}
