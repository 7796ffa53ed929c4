// paged's slabs and its table of functions; paged.c has the idea, the laws and the bounds. slab_…
// are functions on one slab, the others decide where a block is taken from.
#pragma once

#include "alloc/strategies/strategy.h"

// Parameters: the strategy has included paged_state.inc.h, a page_table, page_runs.inc.h, and
// paged_alone.inc.h or paged_threads.inc.h.

enum {
    // A class's slabs double until one has so many blocks, or bytes, or such a share of the heap.
    SLAB_BLOCKS_SMALL = LM_GEOMETRY(8, 2), // in a small heap
    SLAB_BYTES_SMALL = LM_GEOMETRY(16384, 512),
    SLAB_BLOCKS = LM_GEOMETRY(64, 4), // in others
    SLAB_BYTES_MAX = LM_GEOMETRY(131072, 1024),
    SLAB_HEAP_SHARE = 96, // a 96th
    // At least so many bytes of a slab, or such a share of it, are linked at a time.
    CARVE_BYTES = LM_GEOMETRY(4096, 64),
    CARVE_SHARE = 8,             // an eighth
    CLASSES_ABOVE = 3,           // from which a class may rent: blocks of at most twice its size
    RENT_BYTES = PAGE_BYTES / 2, // that a class rents before it buys
};

// The length of the smallest slab of a class: at most an eighth of it is in no block.
static uint32_t slab_pages_min(uint32_t class) {
    uint32_t bytes = class_bytes(class), pages = runs_pages_for(bytes);
    while ((pages << PAGE_SHIFT) % bytes * 8 > pages << PAGE_SHIFT)
        pages++;
    return pages;
}

static uint32_t slab_capacity(const page *p) {
    return (p->length << PAGE_SHIFT) / class_bytes(p->class);
}

// ---- Runs and slabs ----------------------------------------------------------------------------

static inline page *slab_current(const lm_memory *m, const heap *h, uint32_t class) {
    return heap_page(m, h->slab[class]);
}

// Whether the heap is small: there a page of memory counts for more than a few steps.
static bool paged_is_small(const lm_memory *m) {
    return runs_of(m)->end <= SMALL_HEAP_BYTES >> PAGE_SHIFT;
}

// The current slab of a class that has none: the page before the first, full and without blocks.
static uint32_t slab_none(const lm_memory *m) {
    return heap_handle(m, runs_page(m, runs_of(m), runs_of(m)->first - 1));
}

// Counts pages that a class has given back. A class without a slab rents again before it buys.
static void slab_gave(heap *h, uint32_t class, uint32_t pages) {
    h->pages[class] -= pages;
    if (!h->pages[class]) h->rents[class] = 0;
}

// Makes current slabs without a live block free runs; in a small heap, also the pages of other
// current slabs from which no block was ever allocated.
static void paged_reclaim(lm_memory *m) {
    heap *h = heap_of(m);
    for (uint32_t c = 0; c < CLASSES; c++) {
        if (h->slab[c] == slab_none(m)) continue;
        page *p = slab_current(m, h, c);
        uint32_t n = runs_number(m, runs_of(m), p), length = p->length;
        uint32_t carved = slab_capacity(p) - p->uncarved;
        uint32_t keep = p->used == 0        ? 0
                        : paged_is_small(m) ? runs_pages_for(carved * class_bytes(c))
                                            : length;
        if (keep == length) continue;
        if (keep == 0) h->slab[c] = slab_none(m);
        slab_gave(h, c, length - keep);
        p->length = keep;
        p->uncarved = (uint16_t)(slab_capacity(p) - carved);
        runs_release(m, runs_of(m), n + keep, length - keep);
    }
}

// The bytes from which on a slab of the class need not be larger.
static uint32_t slab_enough(const lm_memory *m, uint32_t class) {
    bool small = paged_is_small(m);
    uint32_t share = runs_of(m)->end * (PAGE_BYTES / SLAB_HEAP_SHARE);
    if (small || share < SLAB_BYTES_SMALL) share = SLAB_BYTES_SMALL;
    if (share > SLAB_BYTES_MAX) share = SLAB_BYTES_MAX;
    uint32_t bytes = (small ? SLAB_BLOCKS_SMALL : SLAB_BLOCKS) * class_bytes(class);
    return bytes < share ? bytes : share;
}

// The length of the next slab of a class, at most: the smallest, doubled until it is enough or more
// than the class has, so that a class doubles. Slabs that it has given back do not count.
static uint32_t slab_pages_next(const lm_memory *m, uint32_t class, uint32_t least) {
    uint32_t pages = least, has = heap_of(m)->pages[class], enough = slab_enough(m, class);
    while (pages << PAGE_SHIFT < enough && 2 * pages <= has + least)
        pages *= 2;
    return pages;
}

// Makes a run the current slab of a class.
static page *slab_make(const lm_memory *m, uint32_t class, uint32_t n) {
    heap *h = heap_of(m);
    page *p = runs_page(m, runs_of(m), n);
    uint32_t pages = p->length;
    for (uint32_t i = 0; i < pages; i++) {
        page *part = runs_page(m, runs_of(m), n + i);
        *part = (page){.kind = PAGE_SLAB, .class = (uint8_t) class};
        tag_set_slab(m, part, n, i);
    }
    p->length = pages;
    p->uncarved = (uint16_t)slab_capacity(p);
    h->slab[class] = heap_handle(m, p);
    h->pages[class] += pages;
    return p;
}

// At check level 1 the second word of a free block marks it as free: its guard. A live block may
// hold the same by chance, so the free list is walked to prove it. A block of another thread's slab
// has another guard: we must not walk its list, so the guard alone decides, which is wrong once in
// 2^32.
static uint32_t *guard_word(const lm_memory *m, uint32_t block) {
    return paged_link(m, block) + 1;
}

static inline void guard_own(const lm_memory *m, uint32_t block) {
    if (LM_CHECK_LEVEL >= 1) *guard_word(m, block) = ~block;
}
static inline void guard_others(const lm_memory *m, uint32_t block) {
    if (LM_CHECK_LEVEL >= 1) *guard_word(m, block) = ~block ^ 1;
}
static inline void guard_none(const lm_memory *m, uint32_t block) {
    if (LM_CHECK_LEVEL >= 1) *guard_word(m, block) = 0;
}

// Links some blocks that were never allocated, in the order of addresses.
static void slab_carve(const lm_memory *m, page *p) {
    uint32_t size = class_bytes(p->class), share = (p->length << PAGE_SHIFT) / CARVE_SHARE;
    uint32_t count = (share > CARVE_BYTES ? share : CARVE_BYTES) / size;
    if (count == 0) count = 1;
    if (count > p->uncarved) count = p->uncarved;
    uint32_t start = runs_number(m, runs_of(m), p) << PAGE_SHIFT;
    uint32_t first = start + (slab_capacity(p) - p->uncarved) * size;
    uint32_t last = first + (count - 1) * size;
    for (uint32_t block = first; block < last; block += size) {
        *paged_link(m, block) = block + size;
        guard_own(m, block);
    }
    *paged_link(m, last) = p->free;
    guard_own(m, last);
    p->free = first;
    p->uncarved = (uint16_t)(p->uncarved - count);
}

static void slab_partial_insert(const lm_memory *m, heap *h, page *p) {
    uint32_t n = runs_number(m, runs_of(m), p), next = h->partial[p->class];
    p->prev = 0;
    p->next = next;
    if (next) runs_page(m, runs_of(m), next)->prev = n;
    h->partial[p->class] = n;
}

static void slab_partial_remove(const lm_memory *m, heap *h, const page *p) {
    if (p->next) runs_page(m, runs_of(m), p->next)->prev = p->prev;
    if (p->prev)
        runs_page(m, runs_of(m), p->prev)->next = p->next;
    else
        h->partial[p->class] = p->next;
}

// ---- The interface ------------------------------------------------------------------------------

static bool slab_is_free(const lm_memory *m, const page *p, uint32_t block) {
    if (*guard_word(m, block) != ~block) return false;
    for (uint32_t b = p->free; b; b = *paged_link(m, b))
        if (b == block) return true;
    return heap_is_cached(m, p->class, block);
}

static inline uint32_t slab_pop(const lm_memory *m, page *p) {
    uint32_t block = p->free;
    p->free = *paged_link(m, block);
    p->used++;
    guard_none(m, block);
    return block;
}

static inline void slab_push(const lm_memory *m, page *p, uint32_t block) {
    *paged_link(m, block) = p->free;
    p->free = block;
    p->used--;
    guard_own(m, block);
}

// Returns a slab of the class with a block on its free list, and makes it current; NULL if there is
// none.
static page *slab_ready(const lm_memory *m, uint32_t class) {
    heap *h = heap_of(m);
    page *p = slab_current(m, h, class);
    if (p->free) return p;
    if (!p->uncarved) { // it is full: another one becomes current
        uint32_t n = h->partial[class];
        if (!n) return NULL;
        p = runs_page(m, runs_of(m), n);
        slab_partial_remove(m, h, p);
        h->slab[class] = heap_handle(m, p);
    }
    if (!p->free) slab_carve(m, p);
    return p;
}

// Returns a block of one of the next `above` classes, all aligned as asked for; 0 if there is none.
static uint32_t paged_block_above(const lm_memory *m, uint32_t class, uint32_t above) {
    for (uint32_t c = class + 1; c <= class + above && c < CLASSES; c++) {
        uint32_t block = heap_block_ready(m, c);
        if (block) return block;
    }
    return 0;
}

static uint32_t slab_buy(lm_memory *m, uint32_t class, uint32_t above) {
    uint32_t least = slab_pages_min(class), most = slab_pages_next(m, class, least);
    uint32_t n = runs_take_free(m, most, RUNS_TRIES);
    if (!n) {
        paged_reclaim(m);
        bool small = paged_is_small(m);
        for (uint32_t pages = small ? least : most; !n && pages >= least; pages /= 2)
            n = runs_take_free(m, pages, RUNS_TRIES_LAST);
        uint32_t block = n || !small ? 0 : paged_block_above(m, class, above);
        if (block) return block;
        if (!n) n = runs_take_new(m, small ? least : most);
        if (!n) n = runs_take_free(m, least, RUNS_TRIES_LAST);
        if (!n) return paged_block_above(m, class, above);
    }
    slab_make(m, class, n);
    return heap_block_ready(m, class);
}

// Whether a class without a free block is to rent one. In a small heap, always if a run of its own
// serves the block with little loss.
static bool paged_may_rent(const lm_memory *m, uint32_t class) {
    heap *h = heap_of(m);
    uint32_t bytes = class_bytes(class);
    if (paged_is_small(m) && bytes >= PAGE_BYTES &&
        runs_pages_for(bytes) << PAGE_SHIFT <= bytes + bytes / 4)
        return true;
    if (h->rents[class] > RENT_BYTES / bytes) return false;
    h->rents[class]++;
    return true;
}

// Returns the large block of a run, or 0 for 0.
static uint32_t paged_large(const lm_memory *m, uint32_t n) {
    if (n) tag_set_large(m, n);
    return n << PAGE_SHIFT;
}

// Returns a block for a class without a free one; 0 if out of memory. Called with the lock. Not
// inlined, so that paged_allocate_slow, which mostly links a few more blocks, saves few registers.
static __attribute__((noinline)) uint32_t paged_block_more(uint32_t class, uint32_t above,
                                                           lm_memory *m) {
    if (above && paged_may_rent(m, class)) {
        uint32_t block = paged_block_above(m, class, above);
        if (block) return block;
        if (class_bytes(class) >= PAGE_BYTES)
            return paged_large(m, runs_take(m, runs_pages_for(class_bytes(class)), paged_reclaim));
    }
    uint32_t block = slab_buy(m, class, above);
    // Before it fails, a block that is too large to share a page may take a run of its own.
    if (!block && above && class_bytes(class) > PAGE_BYTES / 2)
        block =
            paged_large(m, runs_take_free(m, runs_pages_for(class_bytes(class)), RUNS_TRIES_LAST));
    return block;
}

static __attribute__((noinline)) void *paged_allocate_slow(uint32_t class, uint32_t above,
                                                           lm_memory *m) {
    if (!heap_ready(m)) return NULL;
    heap_take_mail(m);
    uint32_t block = heap_block_ready(m, class);
    while (!block) {
        heap_lock(m);
        block = paged_block_more(class, above, m);
        heap_unlock(m);
        if (!block && !heap_empty_caches(m)) return NULL;
    }
    return lm_at(m, block);
}

static inline void *paged_allocate_class(uint32_t class, uint32_t above, lm_memory *m) {
    uint32_t block = heap_block_now(m, class);
    return LM_LIKELY(block) ? lm_at(m, block) : paged_allocate_slow(class, above, m);
}

// Returns a large block at a page number that is a multiple of `step`, of which the first *dirty
// bytes may not be zero; NULL if out of memory.
static void *paged_allocate_run(size_t size, uint32_t step, size_t *dirty, lm_memory *m) {
    if ((uint64_t)size > UINT32_MAX) return NULL;
    heap_take_mail(m); // it may free pages
    uint32_t pages = runs_pages_for(size), clean, block = 0;
    do {
        heap_lock(m);
        clean = runs_of(m)->clean;
        block = paged_large(m, step == 1 ? runs_take(m, pages, paged_reclaim)
                                         : runs_take_aligned(m, pages, step, paged_reclaim));
        heap_unlock(m);
    } while (!block && heap_empty_caches(m));
    uint32_t n = block >> PAGE_SHIFT;
    *dirty = clean > n ? (size_t)(clean - n) << PAGE_SHIFT : 0;
    return block ? lm_at(m, block) : NULL;
}

static __attribute__((noinline)) void *paged_allocate_large(size_t size, lm_memory *m) {
    size_t dirty;
    return size ? paged_allocate_run(size, 1, &dirty, m)
                : paged_allocate_class(0, CLASSES_ABOVE, m);
}

static void *paged_allocate(size_t size, lm_memory *m) {
    if (LM_UNLIKELY(size - 1 >= SMALL_MAX_BYTES)) return paged_allocate_large(size, m); // also 0
    return paged_allocate_class(class_of((uint32_t)size), CLASSES_ABOVE, m);
}

static inline void *paged_allocate_dirty(size_t size, size_t *dirty, lm_memory *m) {
    if (LM_UNLIKELY(size > SMALL_MAX_BYTES)) return paged_allocate_run(size, 1, dirty, m);
    void *block = paged_allocate(size, m);
    *dirty = size;
    return block;
}

// The class whose blocks serve a size and are at multiples of an alignment.
static uint32_t paged_class_for(size_t size, size_t alignment) {
    uint32_t class = class_of(size < alignment ? (uint32_t)alignment : (uint32_t)size);
    while (class_bytes(class) & (alignment - 1))
        class ++;
    return class;
}

// Classes: blocks lie at multiples of their size from a page's start, so a class whose size is a
// multiple of the alignment serves. Runs: enough pages to find an aligned one among them.
static void *paged_allocate_aligned(size_t alignment, size_t size, lm_memory *m) {
    if (alignment <= LM_BLOCK_ALIGNMENT) return paged_allocate(size, m);
    if (alignment <= PAGE_BYTES && size <= SMALL_MAX_BYTES) {
        uint32_t class = paged_class_for(size, alignment);
        return paged_allocate_class(class, 0, m);
    }
    if (alignment <= PAGE_BYTES) return paged_allocate_large(size, m);
    size_t dirty;
    return paged_allocate_run(size, (uint32_t)alignment >> PAGE_SHIFT, &dirty, m);
}

static uint32_t paged_run_bytes(const lm_memory *m, uint32_t block) {
    return runs_page_of(m, runs_of(m), block)->length << PAGE_SHIFT;
}

static uint32_t paged_block_bytes(const lm_memory *m, uint32_t block) {
    const page_tag *tag = tag_of(m, block);
    return tag_is_large(tag) ? paged_run_bytes(m, block) : class_bytes(tag->class);
}

// The checks of a block of a slab, in constant time. Of another thread's slab we read only what
// does not change while a block in it is live.
static void paged_check_in_slab(const lm_memory *m, uint32_t block) {
    const page_tag *tag = tag_of(m, block);
    const page *p = tag_slab(m, tag);
    uint32_t at = block - (runs_number(m, runs_of(m), p) << PAGE_SHIFT),
             bytes = class_bytes(p->class);
    // A reset forgets a slab's first page only.
    LM_CHECK(p->kind == PAGE_SLAB && at >> PAGE_SHIFT < p->length);
    LM_CHECK(at % bytes == 0);
    LM_CHECK(*guard_word(m, block) != (~block ^ 1));
    if (!tag_is_ours(m, tag)) return;
    LM_CHECK(p->used > 0 && at / bytes < slab_capacity(p) - p->uncarved);
    LM_CHECK(!slab_is_free(m, p, block));
}

// The checks of any block that is to be freed or resized.
static void paged_check_live(const lm_memory *m, const void *address, size_t size) {
    if (LM_CHECK_LEVEL == 0) return;
    const page_runs *r = runs_of(m);
    uint32_t block = lm_offset(m, address);
    LM_CHECK(lm_holds(m, address));
    LM_CHECK(block >> PAGE_SHIFT >= r->first);
    LM_CHECK(block >> PAGE_SHIFT < __atomic_load_n(&r->end, __ATOMIC_RELAXED));
    const page *p = runs_page_of(m, r, block);
    LM_CHECK(p->kind == PAGE_SLAB || p->kind == PAGE_LARGE);
    if (p->kind == PAGE_SLAB)
        paged_check_in_slab(m, block);
    else
        LM_CHECK((block & (PAGE_BYTES - 1)) == 0 && p->length > 0);
    LM_CHECK(size <= paged_block_bytes(m, block));
}

static void paged_free_large(uint32_t block, lm_memory *m) {
    heap_lock(m);
    runs_release(m, runs_of(m), block >> PAGE_SHIFT, runs_page_of(m, runs_of(m), block)->length);
    heap_unlock(m);
}

// Frees a block of our own slab, which may be full before and empty afterwards.
static void slab_free(page *p, uint32_t block, lm_memory *m) {
    heap *h = heap_of(m);
    bool was_full = !p->free;
    slab_push(m, p, block);
    if (p == slab_current(m, h, p->class)) return;
    if (p->used) {
        if (was_full) slab_partial_insert(m, h, p);
    } else {
        if (!was_full) slab_partial_remove(m, h, p);
        slab_gave(h, p->class, p->length);
        heap_lock(m);
        runs_release(m, runs_of(m), runs_number(m, runs_of(m), p), p->length);
        heap_unlock(m);
    }
}

static void paged_free(void *address, size_t size, lm_memory *m) {
    if (LM_UNLIKELY(!address)) return;
    paged_check_live(m, address, size);
    heap_release(lm_offset(m, address), m);
}

// Resizes a block in place: without change if at least half of it is used, of a large block seven
// eighths; else a large block takes or gives back pages. Returns false if it has to move.
static bool paged_resize_in_place(uint32_t block, size_t size, lm_memory *m) {
    bool large = tag_is_large(tag_of(m, block));
    uint32_t bytes = paged_block_bytes(m, block);
    if (size <= bytes && size >= (large ? bytes - bytes / 8 : bytes / 2)) return true;
    if (!large || size < PAGE_BYTES || (uint64_t)size > UINT32_MAX) return false;
    heap_lock(m);
    bool resized = runs_resize(m, block >> PAGE_SHIFT, runs_pages_for(size));
    heap_unlock(m);
    return resized;
}

// A large block that has to move to grow gets an eighth more, if there is room: so growing in small
// steps costs O(1) amortised a byte.
static void *paged_resize_aligned(void *address, size_t size, size_t alignment, lm_memory *m) {
    uint32_t block = lm_offset(m, address);
    paged_check_live(m, address, 0);
    if (paged_resize_in_place(block, size, m)) return lm_at(m, block);
    uint32_t bytes = paged_block_bytes(m, block);
    void *moved = NULL;
    if (size > bytes && size > SMALL_MAX_BYTES && size < UINT32_MAX / 2)
        moved = lm_resize_by_copy(lm_at(m, block), bytes, size + size / 8, alignment, m,
                                  paged_allocate_aligned, paged_free);
    return moved ? moved
                 : lm_resize_by_copy(lm_at(m, block), bytes, size, alignment, m,
                                     paged_allocate_aligned, paged_free);
}

LM_ZEROED_AND_RESIZE(paged)

static size_t paged_usable_size(const void *address, lm_memory *m) {
    paged_check_live(m, address, 0);
    return paged_block_bytes(m, lm_offset(m, address));
}

static uint64_t paged_block_bytes_max(size_t size, size_t alignment) {
    uint64_t run = (uint64_t)runs_pages_for(size) << PAGE_SHIFT;
    if (size > SMALL_MAX_BYTES || alignment > PAGE_BYTES) return run;
    if (alignment > LM_BLOCK_ALIGNMENT) return class_bytes(paged_class_for(size, alignment));
    uint32_t class = paged_class_for(size, LM_BLOCK_ALIGNMENT) + CLASSES_ABOVE;
    uint32_t bytes = class_bytes(class < CLASSES ? class : CLASSES - 1);
    return size > PAGE_BYTES / 2 && run > bytes ? run : bytes;
}

// For each live block the run that it is in, and a gap before it, a bin wider than the request.
// Slabs without a live block are freed before the memory grows. A table may have room for twice the
// pages.
static inline uint64_t paged_heap_bytes_max(const lm_demand *demand) {
    const uint64_t slab = 2 * SLAB_BYTES_MAX + SMALL_MAX_BYTES;
    uint64_t run = demand->block_bytes + demand->alignment, fit = run > slab ? run : slab;
    uint64_t bytes = lm_gaps_bound(demand, slab + fit + fit / 4 + 2 * PAGE_BYTES);
    uint64_t pages = (bytes + demand->foreign_bytes) / PAGE_BYTES;
    uint64_t table = (pages + TABLE_DESCRIPTORS_MIN + 4 * PAGES_A_GROWTH) * 4;
    return lm_heap_bytes(bytes, sizeof(state) + table * sizeof(page));
}

static void paged_slabs_none(const lm_memory *m, heap *h) {
    memset(h, 0, sizeof *h);
    for (uint32_t c = 0; c < CLASSES; c++)
        h->slab[c] = slab_none(m);
}

static bool paged_start(lm_memory *m) {
    if (!runs_start(m, sizeof(state))) return false;
    heap_forget_all(m);
    heap_ready(m); // here, at the front, it splits nothing; if that fails, later
    return true;
}

static void paged_reset(lm_memory *m) {
    runs_reset(m);
    heap_forget_all(m);
    heap_ready(m);
}

// ---- The walk ----------------------------------------------------------------------------------

// Whether a block of the slab that has been allocated before begins there.
static bool slab_is_carved(const lm_memory *m, const page *p, uint32_t block) {
    uint32_t size = class_bytes(p->class), start = runs_number(m, runs_of(m), p) << PAGE_SHIFT;
    return block >= start && (block - start) % size == 0 &&
           (block - start) / size < slab_capacity(p) - p->uncarved;
}

static const char *slab_validate(const lm_memory *m, const page *p, lm_census *census) {
    const page_runs *r = runs_of(m);
    uint32_t n = runs_number(m, r, p), size = class_bytes(p->class), capacity = slab_capacity(p);
    uint32_t listed = 0;
    if (n < r->first || n >= r->end || runs_page(m, r, n) != p) return "runs";
    if (p->uncarved > capacity) return "slab-count";
    for (uint32_t block = p->free; block; block = *paged_link(m, block))
        if (!slab_is_carved(m, p, block) || ++listed > capacity) return "slab-links";
    if (p->used + listed + p->uncarved != capacity) return "slab-count";
    for (uint32_t i = 0; i < p->length; i++) {
        const page *other = runs_page(m, r, n + i);
        if (other->kind != PAGE_SLAB || other->class != p->class || !tag_is_part(m, p, i))
            return "runs";
    }
    if (p->prev && (p->prev < r->first || p->prev >= r->end)) return "partial";
    if (!heap_owner_holds(m, p)) return "runs";
    const heap *h = heap_owner(m, p);
    bool on_list = h->partial[p->class] == n || (p->prev && runs_page(m, r, p->prev)->next == n);
    if (on_list != (p != slab_current(m, h, p->class) && p->free)) return "partial";
    census->live_blocks += p->used;
    census->live_bytes += (uint64_t)p->used * size;
    census->free_blocks += capacity - p->used;
    census->free_bytes += (uint64_t)(capacity - p->used) * size;
    return NULL;
}

static const char *paged_validate_used(const lm_memory *m, const page *p, lm_census *census) {
    if (p->kind == PAGE_SLAB) return p->class < CLASSES ? slab_validate(m, p, census) : "runs";
    if (p->kind == PAGE_HEAP) return NULL;
    if (p->kind != PAGE_LARGE) return "runs";
    census->live_blocks++;
    census->live_bytes += (uint64_t)p->length << PAGE_SHIFT;
    return NULL;
}

static const char *paged_validate(lm_memory *m, lm_census *out) {
    lm_census census = {0};
    const char *broken = runs_validate(m, &census, paged_validate_used);
    if (!broken) broken = heap_validate_all(m, &census);
    if (broken) return broken;
    if (out) *out = census;
    return NULL;
}

#define PAGED_CAPABILITIES                                                                         \
    (LM_FREES_BLOCKS | LM_BOUNDED_SEARCH | LM_RESIZES_IN_PLACE | LM_IN_LINEAR_MEMORY |             \
     LM_HOLDS_CONTENT | LM_MERGES)
