// paged for several threads on a shared memory: a heap for each thread, and how blocks return from
// other threads. memory->thread is the calling thread.
//
// A slab belongs to the thread that made it, and only that thread accesses its list and counts.
// Between slabs and program there are *caches*, a list for each class and thread: a freed block is
// put into the cache of the thread that frees it, whichever slab it is in, and is allocated from
// there; a remote free is a local one. An empty cache takes all free blocks of one of its thread's
// slabs. If a cache is full, a block returns to its slab, or is sent by *message* to the slab's
// owner. Blocks in caches and messages are free, but their slabs count them as live.
//
//     program  <-->  cache  <--list--  slab          and back, if the cache is full
//                      |
//                      +-->  outbox  -->  mail of the slab's thread  -->  slab
//
// A message is a block that lists up to 15 others, as many as it has room for, so few of their
// cache lines move between the threads. It waits in the outbox for the owner until it is full, or
// its blocks have MESSAGE_BYTES_MAX together.
//
//     [ next message | count ][ guard ][ block ][ block ] ...
//
// The owner takes its mail before it asks for a slab or a large block. Messages are pushed by
// compare-and-swap and taken all at once, never popped: no ABA problem.
//
//     state: [ runs | lock | heaps 0 … 63 | none ]        heap of a thread: a run of its own
//                            every thread's, `none` until it first allocates or frees
//
// A lock protects what is shared, the runs and their table; it is held for a bounded number of
// steps and perhaps one growth.
//
// Laws (validate's names):
//     caches          a cache's blocks are of its class and allocated by slabs; with its room they
//                     are as many as it may hold
//     mail            the blocks sent to a thread are allocated by its slabs
//
// Memory orders. The owner that frees a block in its slab must see the block's bytes and its
// message: posting is a release, taking an acquire. Posting reads and writes the list's head in one
// step, so taking one message synchronises with the senders of those behind it as well. The check
// whether there is mail, and the read of its head before the exchange, are relaxed, as nothing is
// read through them. The lock is an acquire and a release. Tags: page_table_stays.inc.h. All else
// is either private to its thread, or was written before a block was returned and is visible to
// each thread that the program passed the block to: the offsets of heaps, a descriptor's kind,
// class and number.
#pragma once

#include "alloc/strategies/strategy.h"

#ifndef PAGED_SHARED
#error "PAGED_SHARED: paged_state.inc.h must have caches, outboxes and tags"
#endif

// Parameters: the strategy has included paged_state.inc.h and page_runs.inc.h. What paged.inc.h
// defines:
static page *slab_ready(const lm_memory *m, uint32_t class);
static uint32_t slab_capacity(const page *p);
static inline void slab_push(const lm_memory *m, page *p, uint32_t block);
static void paged_slabs_none(const lm_memory *m, heap *h);
static void paged_free_large(uint32_t block, lm_memory *m);
static void slab_free(page *p, uint32_t block, lm_memory *m);
static inline void guard_own(const lm_memory *m, uint32_t block);
static inline void guard_others(const lm_memory *m, uint32_t block);
static inline void guard_none(const lm_memory *m, uint32_t block);
static bool slab_is_carved(const lm_memory *m, const page *p, uint32_t block);

enum {
    CACHE_BYTES_MAX = LM_GEOMETRY(16384, 32),
    MESSAGE_BYTES_MAX = LM_GEOMETRY(16384, 64),
    MESSAGE_HEAD_WORDS = 2,
    MESSAGE_BLOCKS_MAX = LM_BLOCK_ALIGNMENT - 1, // the count fits beside an offset
};

typedef struct state {
    page_runs runs;
    uint32_t lock;
    uint8_t apart[CACHE_LINE_BYTES]; // from what all threads read at every call
    uint32_t heaps[LM_THREADS_MAX];  // their offsets
    heap none;                       // no slab, and no room for a block
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

// Not recursive: no function takes the lock twice.
static void heap_lock(const lm_memory *m) {
    uint32_t *word = &state_of(m)->lock;
    while (__atomic_exchange_n(word, 1, __ATOMIC_ACQUIRE))
        while (__atomic_load_n(word, __ATOMIC_RELAXED))
            ;
}
static void heap_unlock(const lm_memory *m) {
    __atomic_store_n(&state_of(m)->lock, 0, __ATOMIC_RELEASE);
}

// Forgets the heaps of all threads. Called while no other thread calls.
static void heap_forget_all(const lm_memory *m) {
    state *s = state_of(m);
    s->lock = 0;
    for (uint32_t t = 0; t < LM_THREADS_MAX; t++)
        s->heaps[t] = lm_offset(m, &s->none);
    paged_slabs_none(m, &s->none);
}

// The number of blocks that a cache may hold.
static int32_t cache_size(uint32_t class) {
    return (int32_t)(CACHE_BYTES_MAX / class_bytes(class));
}

static void heap_reclaim_nothing(lm_memory *m) {
    (void)m;
}
static __attribute__((noinline)) bool heap_make(lm_memory *m) {
    heap_lock(m);
    uint32_t pages = runs_pages_for(sizeof(heap)), n = runs_take(m, pages, heap_reclaim_nothing);
    if (n) runs_claim(m, runs_of(m), n, pages, PAGE_HEAP);
    heap_unlock(m);
    if (!n) return false;
    heap *h = lm_at(m, n << PAGE_SHIFT);
    paged_slabs_none(m, h);
    for (uint32_t c = 0; c < CLASSES; c++)
        h->caches[c].room = cache_size(c);
    state_of(m)->heaps[m->thread] = n << PAGE_SHIFT;
    return true;
}

// Makes a heap for the calling thread unless it has one. Returns false if out of memory.
static inline bool heap_ready(lm_memory *m) {
    return LM_LIKELY(heap_of(m) != &state_of(m)->none) || heap_make(m);
}

// A handle is an offset, as descriptors do not move.
static inline page *heap_page(const lm_memory *m, uint32_t handle) {
    return lm_at(m, handle);
}
static inline uint32_t heap_handle(const lm_memory *m, const page *p) {
    return lm_offset(m, p);
}

// ---- Owners ------------------------------------------------------------------------------------

static inline page_tag *tag_at(const lm_memory *m, uint32_t number) {
    return table_tag(m, &runs_of(m)->table, number);
}
static inline const page_tag *tag_of(const lm_memory *m, uint32_t block) {
    return tag_at(m, block >> PAGE_SHIFT);
}
static inline page *tag_slab(const lm_memory *m, const page_tag *tag) {
    return heap_page(m, tag->slab);
}
static inline bool tag_is_large(const page_tag *tag) {
    return tag->class == LARGE;
}
static inline bool tag_is_ours(const lm_memory *m, const page_tag *tag) {
    return tag->thread == m->thread;
}
static inline heap *heap_owner(const lm_memory *m, const page *p) {
    return heap_by(m, tag_at(m, p->number)->thread);
}

// Writes the tag of page i of a slab that begins at `first`. Called with the lock.
static inline void tag_set_slab(const lm_memory *m, page *p, uint32_t first, uint32_t i) {
    uint32_t slab = heap_handle(m, runs_page(m, runs_of(m), first));
    p->number = first;
    *tag_at(m, first + i) =
        (page_tag){.slab = slab, .class = p->class, .thread = (uint8_t)m->thread};
}
static inline void tag_set_large(const lm_memory *m, uint32_t n) {
    *tag_at(m, n) = (page_tag){.class = LARGE};
}
static inline bool tag_is_part(const lm_memory *m, const page *p, uint32_t i) {
    const page_tag *first = tag_at(m, p->number), *tag = tag_at(m, p->number + i);
    return tag_slab(m, tag) == p && tag->class == p->class && tag->thread == first->thread;
}

// ---- Messages ----------------------------------------------------------------------------------

static inline uint32_t message_next(uint32_t head) {
    return head & ~(uint32_t)MESSAGE_BLOCKS_MAX;
}
static inline uint32_t message_count(uint32_t head) {
    return head & MESSAGE_BLOCKS_MAX;
}

// Posts a message to the owner of its blocks' slabs.
static void message_post(const lm_memory *m, uint32_t thread, uint32_t message) {
    uint32_t *mail = &heap_by(m, thread)->mail, count = message_count(*paged_link(m, message));
    uint32_t next = __atomic_load_n(mail, __ATOMIC_RELAXED);
    do
        *paged_link(m, message) = next | count;
    while (!__atomic_compare_exchange_n(mail, &next, message, true, __ATOMIC_RELEASE,
                                        __ATOMIC_RELAXED));
}

// Begins a message with a block.
static void message_open(const lm_memory *m, outbox *out, uint32_t block, uint32_t bytes) {
    uint32_t room = bytes / (uint32_t)sizeof(uint32_t) - MESSAGE_HEAD_WORDS;
    *paged_link(m, block) = 0;
    out->message = block;
    out->room = (uint16_t)(room < MESSAGE_BLOCKS_MAX ? room : MESSAGE_BLOCKS_MAX);
}
static void message_add(const lm_memory *m, outbox *out, uint32_t block) {
    uint32_t *message = paged_link(m, out->message);
    message[MESSAGE_HEAD_WORDS + (*message)++] = block;
    out->room--;
}

// Frees a block of another thread's slab.
static void message_send(const page_tag *tag, uint32_t block, lm_memory *m) {
    outbox *out = &heap_of(m)->outboxes[tag->thread];
    uint32_t bytes = class_bytes(tag->class);
    guard_others(m, block);
    if (out->message)
        message_add(m, out, block);
    else
        message_open(m, out, block, bytes);
    out->bytes = (uint16_t)(out->bytes + bytes);
    if (out->room && out->bytes < MESSAGE_BYTES_MAX) return;
    message_post(m, tag->thread, out->message);
    *out = (outbox){0};
}

// Frees the blocks that other threads have sent. Called without the lock, which this may take.
static void heap_take_mail(lm_memory *m) {
    uint32_t *mail = &heap_of(m)->mail;
    if (!__atomic_load_n(mail, __ATOMIC_RELAXED)) return;
    uint32_t message = __atomic_exchange_n(mail, 0, __ATOMIC_ACQUIRE);
    while (message) {
        const uint32_t *words = paged_link(m, message);
        uint32_t head = *words;
        for (uint32_t i = 0; i < message_count(head); i++) {
            uint32_t block = words[MESSAGE_HEAD_WORDS + i];
            slab_free(tag_slab(m, tag_of(m, block)), block, m);
        }
        slab_free(tag_slab(m, tag_of(m, message)), message, m);
        message = message_next(head);
    }
}

// ---- Caches ------------------------------------------------------------------------------------

// Takes a block from the cache; 0 if it is empty.
static inline uint32_t heap_block_now(const lm_memory *m, uint32_t class) {
    cache *c = &heap_of(m)->caches[class];
    uint32_t block = c->free;
    if (LM_UNLIKELY(!block)) return 0;
    c->free = *paged_link(m, block);
    c->room++;
    guard_none(m, block);
    return block;
}

// The same, but an empty cache is filled with the free list of a slab; 0 if there is none.
static uint32_t heap_block_ready(const lm_memory *m, uint32_t class) {
    cache *c = &heap_of(m)->caches[class];
    if (!c->free) {
        page *p = slab_ready(m, class);
        if (!p) return 0;
        uint32_t count = slab_capacity(p) - p->uncarved - p->used;
        c->free = p->free;
        c->room -= (int32_t)count;
        p->free = 0;
        p->used = (uint16_t)(p->used + count);
    }
    return heap_block_now(m, class);
}

// Frees a block in its slab, or sends it to the slab's owner.
static void heap_give_back(uint32_t block, lm_memory *m) {
    const page_tag *tag = tag_of(m, block);
    if (tag_is_ours(m, tag))
        slab_free(tag_slab(m, tag), block, m);
    else
        message_send(tag, block, m);
}

// Gives all cached blocks back to their slabs, before an allocation fails. Returns false if the
// caches were empty. Called without the lock.
static bool heap_empty_caches(lm_memory *m) {
    heap *h = heap_of(m);
    bool any = false;
    if (h == &state_of(m)->none) return false;
    for (uint32_t class = 0; class < CLASSES; class ++) {
        uint32_t block = h->caches[class].free, next;
        h->caches[class] = (cache){.room = cache_size(class)};
        for (; block; block = next, any = true) {
            next = *paged_link(m, block);
            heap_give_back(block, m);
        }
    }
    for (uint32_t t = 0; t < LM_THREADS_MAX; t++) {
        if (h->outboxes[t].message) message_post(m, t, h->outboxes[t].message);
        h->outboxes[t] = (outbox){0};
    }
    return any;
}

static inline void heap_mark_free(const lm_memory *m, const page_tag *tag, uint32_t block) {
    if (LM_CHECK_LEVEL == 0) return;
    if (tag_is_ours(m, tag))
        guard_own(m, block);
    else
        guard_others(m, block);
}

static inline void heap_release(uint32_t block, lm_memory *m);

// Frees a large block, or a block that the cache has no room for.
static __attribute__((noinline)) void heap_free_slow(uint32_t block, lm_memory *m) {
    const page_tag *tag = tag_of(m, block);
    if (tag_is_large(tag)) {
        paged_free_large(block, m);
        return;
    }
    if (heap_of(m) != &state_of(m)->none) {
        heap_give_back(block, m);
    } else if (heap_make(m)) {
        heap_release(block, m);
    } else { // out of memory: the block, of another thread, is a message
        *paged_link(m, block) = 0;
        guard_others(m, block);
        message_post(m, tag->thread, block);
    }
}

static inline void heap_release(uint32_t block, lm_memory *m) {
    const page_tag *tag = tag_of(m, block);
    cache *c = &heap_of(m)->caches[tag->class];
    if (LM_LIKELY(c->room > 0)) {
        *paged_link(m, block) = c->free;
        c->free = block;
        c->room--;
        heap_mark_free(m, tag, block);
        return;
    }
    page *p = tag_slab(m, tag);
    if (!tag_is_large(tag) && tag_is_ours(m, tag) && p->free && p->used > 1)
        slab_push(m, p, block);
    else
        heap_free_slow(block, m);
}

static bool heap_is_cached(const lm_memory *m, uint32_t class, uint32_t block) {
    for (uint32_t b = heap_of(m)->caches[class].free; b; b = *paged_link(m, b))
        if (b == block) return true;
    return false;
}

// ---- The walk ----------------------------------------------------------------------------------

// Whether the offset of a thread's heap is valid.
static bool heap_holds(const lm_memory *m, const heap *h) {
    const page_runs *r = runs_of(m);
    uint32_t offset = lm_offset(m, h), n = offset >> PAGE_SHIFT;
    if (h == &state_of(m)->none) return true;
    return offset % PAGE_BYTES == 0 && n >= r->first && n < r->end &&
           runs_page(m, r, n)->kind == PAGE_HEAP &&
           runs_page(m, r, n)->length == runs_pages_for(sizeof *h);
}

static bool heap_owner_holds(const lm_memory *m, const page *p) {
    uint32_t thread = tag_at(m, p->number)->thread;
    return thread < LM_THREADS_MAX && heap_holds(m, heap_by(m, thread));
}

// Counts a block as free that its slab counts as live. Returns false if no slab has allocated it.
static bool heap_count_block(const lm_memory *m, uint32_t block, lm_census *census) {
    const page_runs *r = runs_of(m);
    uint32_t n = block >> PAGE_SHIFT;
    if (n < r->first || n >= r->end || runs_page(m, r, n)->kind != PAGE_SLAB) return false;
    const page_tag *tag = tag_at(m, n);
    if (tag->class >= CLASSES || block % LM_BLOCK_ALIGNMENT) return false;
    uint32_t bytes = class_bytes(tag->class);
    if (!slab_is_carved(m, tag_slab(m, tag), block)) return false;
    if (census->live_bytes < bytes) return false; // its list is a cycle
    census->live_blocks--;
    census->live_bytes -= bytes;
    census->free_blocks++;
    census->free_bytes += bytes;
    return true;
}

static bool message_count_sent(const lm_memory *m, uint32_t to, uint32_t block, lm_census *census) {
    return heap_count_block(m, block, census) && tag_of(m, block)->thread == to;
}

static bool message_count_all(const lm_memory *m, uint32_t to, uint32_t message,
                              lm_census *census) {
    while (message) {
        if (!message_count_sent(m, to, message, census)) return false;
        const uint32_t *words = paged_link(m, message);
        for (uint32_t i = 0; i < message_count(*words); i++)
            if (!message_count_sent(m, to, words[MESSAGE_HEAD_WORDS + i], census)) return false;
        message = message_next(*words);
    }
    return true;
}

static bool cache_count(const lm_memory *m, const heap *h, uint32_t class, lm_census *census) {
    int32_t room = cache_size(class);
    for (uint32_t block = h->caches[class].free; block; block = *paged_link(m, block), room--)
        if (!heap_count_block(m, block, census) || tag_of(m, block)->class != class) return false;
    return room == h->caches[class].room;
}

// Called while no other thread calls.
static const char *heap_validate_all(const lm_memory *m, lm_census *census) {
    for (uint32_t t = 0; t < LM_THREADS_MAX; t++) {
        const heap *h = heap_by(m, t);
        if (!heap_holds(m, h)) return "runs";
        if (h == &state_of(m)->none) continue;
        for (uint32_t c = 0; c < CLASSES; c++)
            if (!cache_count(m, h, c, census)) return "caches";
        if (!message_count_all(m, t, h->mail, census)) return "mail";
        for (uint32_t to = 0; to < LM_THREADS_MAX; to++)
            if (!message_count_all(m, to, h->outboxes[to].message, census)) return "mail";
    }
    return NULL;
}
