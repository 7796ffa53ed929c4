// paged: size classes in runs of pages, with a free list in each run.
//
// Idea. Memory is cut into pages of 4 KiB. A *run* of neighbouring pages is free, or holds one
// large block, or is a *slab*: blocks of one size class, laid side by side without headers. A slab
// keeps its own free list, so blocks that are handed out one after the other lie together, and a
// slab whose blocks have all come back is a free run again, for any class. What a run is stands in
// a table of page descriptors apart from the blocks: a block's address gives its page, the page its
// slab.
//
// Source. Slabs: Bonwick (1994). Page-local free lists: Leijen, Zorn, de Moura, "Mimalloc" (2019).
// Runs of pages with a table beside them: Ghemawat's TCMalloc; binned by length, with a bitmap, as
// in TLSF (Masmano et al. 2004). Four classes to a doubling: Evans's jemalloc (2006).
//
// Layout, in the order of offsets:
//
//     heap_start                first page
//     [ heap | first table ... ][ page ][ page ][ page ] ...            -> end of memory
//                               [ slab: block block block ][ large block ][ free run ][ not ours ]
//
// The table has a descriptor for each page from the one before the first (a slab without blocks, on
// which every class starts) to the last. When it is full it moves into pages of its own, twice as
// large.
//
// Laws, as `validate` names them:
//     runs            runs tile the pages from the first to the last
//     coalesced       no two free runs are neighbours
//     bins            each free run is in the list of its length; the bitmap says which have one
//     slab-count      live blocks + free list + blocks never handed out = the slab's capacity
//     slab-links      a slab's free list stays in the slab, at multiples of the block size
//     partial         a slab is on its class's list exactly if it has a free block and is not
//                     the class's current one
//
// Cost. allocate and free of a small block: a few loads and stores, no search; O(1) always, but for
// the table's moves (O(1) amortised over the pages added). Runs: first fit among the first 8 of the
// fitting list, then good fit by bitmap, O(1); the whole list before the memory grows. resize of a
// large block extends into a free neighbour or the memory's end.
// Waste. Blocks up to 16 KiB: at most a quarter above what was asked (15 bytes below 80 bytes);
// larger ones: less than a page. A class that is used once takes a whole slab (4 to 64 KiB).
// Good at speed on programs that allocate many blocks of few sizes. Bad at many sizes used little.
#include <stdint.h>

// Geometry.
enum {
    PAGE_SHIFT = 12,
    SMALL_MAX_BYTES = 16384,    // the largest class
    CLASSES = 36,               // class_of(SMALL_MAX_BYTES) + 1
    TABLE_DESCRIPTORS_MIN = 32, // in the first table
    CARVE_BYTES = 2048,         // how much of a slab is linked at a time
};

// A page's descriptor. In a slab all pages tell kind, class and how far back the first one is; the
// rest stands in a run's first page.
typedef struct page {
    uint32_t free;       // slab: its first free block; else 0
    uint32_t next, prev; // slab with free blocks, free run: neighbours in its list, page numbers
    uint32_t length;     // the run, in pages
    uint16_t used;       // slab: live blocks
    uint16_t uncarved;   // slab: blocks at its end that were never handed out
    uint8_t kind, class, back, unused;
} page;

#include "alloc/strategies/page_runs.h"

typedef struct heap {
    page_runs runs;
    uint32_t slab[CLASSES];    // the current slab of each class: its descriptor, from the table
    uint32_t partial[CLASSES]; // other slabs with free blocks
} heap;

_Static_assert(sizeof(page) == 24, "a table of 24-byte descriptors is 0.6 % of the memory");

static inline heap *heap_of(const lm_memory *memory) {
    return lm_at(memory, memory->heap_start);
}

static uint32_t slab_pages(uint32_t class) {
    uint32_t blocks_min = class_bytes(class) <= 4096 ? 8 : 4;
    return (blocks_min * class_bytes(class) + PAGE_BYTES - 1) >> PAGE_SHIFT;
}

static uint32_t slab_capacity(uint32_t class) {
    return (slab_pages(class) << PAGE_SHIFT) / class_bytes(class);
}

static inline uint32_t *link_of(const lm_memory *memory, uint32_t block) {
    return lm_at(memory, block);
}

// ---- Runs and slabs ----------------------------------------------------------------------------

static page *current(const lm_memory *m, const heap *h, uint32_t class) {
    return lm_at(m, h->runs.table + h->slab[class]);
}

// Current slabs without a live block become free runs.
static void release_idle(lm_memory *m) {
    heap *h = heap_of(m);
    for (uint32_t c = 0; c < CLASSES; c++) {
        uint32_t n = h->slab[c] / (uint32_t)sizeof(page);
        if (n < h->runs.first || page_at(m, &h->runs, n)->used) continue;
        h->slab[c] = (h->runs.first - 1) * (uint32_t)sizeof(page);
        run_release(m, &h->runs, n, page_at(m, &h->runs, n)->length);
    }
}

static uint32_t slab_new(lm_memory *m, uint32_t class) {
    uint32_t pages = slab_pages(class), n = run_take(m, pages, release_idle);
    if (!n) return 0;
    page *p = page_at(m, runs_of(m), n);
    for (uint32_t i = 0; i < pages; i++)
        p[i] = (page){.kind = PAGE_SLAB, .class = (uint8_t)class, .back = (uint8_t)i};
    p->length = pages;
    p->uncarved = (uint16_t)slab_capacity(class);
    return n;
}

// Links some blocks that were never handed out, in the order of addresses.
static void slab_carve(const lm_memory *m, const heap *h, page *p) {
    uint32_t size = class_bytes(p->class), count = CARVE_BYTES / size;
    if (count == 0) count = 1;
    if (count > p->uncarved) count = p->uncarved;
    uint32_t start = number_of(m, &h->runs, p) << PAGE_SHIFT;
    uint32_t first = start + (slab_capacity(p->class) - p->uncarved) * size;
    uint32_t last = first + (count - 1) * size;
    for (uint32_t block = first; block < last; block += size)
        *link_of(m, block) = block + size;
    *link_of(m, last) = p->free;
    p->free = first;
    p->uncarved = (uint16_t)(p->uncarved - count);
}

static void partial_insert(const lm_memory *m, heap *h, page *p) {
    uint32_t n = number_of(m, &h->runs, p), next = h->partial[p->class];
    p->prev = 0;
    p->next = next;
    if (next) page_at(m, &h->runs, next)->prev = n;
    h->partial[p->class] = n;
}

static void partial_remove(const lm_memory *m, heap *h, const page *p) {
    if (p->next) page_at(m, &h->runs, p->next)->prev = p->prev;
    if (p->prev)
        page_at(m, &h->runs, p->prev)->next = p->next;
    else
        h->partial[p->class] = p->next;
}

// ---- The interface ------------------------------------------------------------------------------

// At check level 1 a free block says so in its second word. A live one may hold the same by chance,
// so the word is a suspicion, and the slab's list the proof.
static uint32_t *guard_of(const lm_memory *m, uint32_t block) {
    return link_of(m, block) + 1;
}

static bool is_free(const lm_memory *m, const page *p, uint32_t block) {
    if (*guard_of(m, block) != ~block) return false;
    for (uint32_t b = p->free; b; b = *link_of(m, b))
        if (b == block) return true;
    return false;
}

static inline void *pop(const lm_memory *m, page *p, uint32_t block) {
    p->free = *link_of(m, block);
    p->used++;
    if (LM_CHECK_LEVEL >= 1) *guard_of(m, block) = 0;
    return lm_at(m, block);
}

static inline void push(const lm_memory *m, page *p, uint32_t block) {
    *link_of(m, block) = p->free;
    p->free = block;
    p->used--;
    if (LM_CHECK_LEVEL >= 1) *guard_of(m, block) = ~block;
}

static __attribute__((noinline)) void *allocate_slow(uint32_t class, lm_memory *m) {
    heap *h = heap_of(m);
    page *p = current(m, h, class);
    if (!p->uncarved) { // it is full: another one becomes current
        uint32_t n = h->partial[class];
        if (n)
            partial_remove(m, h, page_at(m, &h->runs, n));
        else
            n = slab_new(m, class);
        if (!n) return NULL;
        h = heap_of(m);
        h->slab[class] = n * (uint32_t)sizeof(page);
        p = page_at(m, &h->runs, n);
    }
    if (!p->free) slab_carve(m, h, p);
    return pop(m, p, p->free);
}

static inline void *allocate_class(uint32_t class, lm_memory *m) {
    page *p = current(m, heap_of(m), class);
    uint32_t block = p->free;
    if (LM_UNLIKELY(!block)) return allocate_slow(class, m);
    return pop(m, p, block);
}

static __attribute__((noinline)) void *allocate_large(size_t size, lm_memory *m) {
    if (size == 0) return allocate_class(0, m);
    if ((uint64_t)size > UINT32_MAX) return NULL;
    uint32_t n = run_take(m, pages_for(size), release_idle);
    return n ? lm_at(m, n << PAGE_SHIFT) : NULL;
}

static void *paged_allocate(size_t size, lm_memory *m) {
    if (LM_UNLIKELY(size - 1 >= SMALL_MAX_BYTES)) return allocate_large(size, m); // also 0
    return allocate_class(class_of((uint32_t)size), m);
}

static void *paged_allocate_zeroed(size_t size, lm_memory *m) {
    return lm_zero(paged_allocate(size, m), size);
}

// Classes: blocks lie at multiples of their size from a page's start, so a class whose size is a
// multiple of the alignment serves. Runs: enough pages to find an aligned one among them.
static void *paged_allocate_aligned(size_t alignment, size_t size, lm_memory *m) {
    if (alignment <= LM_BLOCK_ALIGNMENT) return paged_allocate(size, m);
    if (alignment <= PAGE_BYTES && size <= SMALL_MAX_BYTES) {
        uint32_t class = class_of(size < alignment ? (uint32_t)alignment : (uint32_t)size);
        while (class_bytes(class) & (alignment - 1))
            class ++;
        return allocate_class(class, m);
    }
    if (alignment <= PAGE_BYTES) return allocate_large(size, m);
    uint32_t n =
        (uint64_t)size > UINT32_MAX
            ? 0
            : run_take_aligned(m, pages_for(size), (uint32_t)alignment >> PAGE_SHIFT, release_idle);
    return n ? lm_at(m, n << PAGE_SHIFT) : NULL;
}

static uint32_t block_bytes(const page *p) {
    return p->kind == PAGE_SLAB ? class_bytes(p->class) : p->length << PAGE_SHIFT;
}

// What can be said in constant time of a block that is to be freed or resized.
static void check_live(const lm_memory *m, const void *address, size_t size) {
    if (LM_CHECK_LEVEL == 0) return;
    const heap *h = heap_of(m);
    uint32_t block = lm_offset(m, address);
    LM_CHECK(lm_holds(m, address));
    LM_CHECK(block >> PAGE_SHIFT >= h->runs.first && block >> PAGE_SHIFT < h->runs.end);
    const page *p = page_of(m, &h->runs, block);
    LM_CHECK(p->kind == PAGE_SLAB || p->kind == PAGE_LARGE);
    if (p->kind == PAGE_SLAB) {
        p -= p->back;
        uint32_t start = number_of(m, &h->runs, p) << PAGE_SHIFT, bytes = class_bytes(p->class);
        LM_CHECK((block - start) % bytes == 0 && p->used > 0);
        LM_CHECK((block - start) / bytes < slab_capacity(p->class) - p->uncarved);
        LM_CHECK(!is_free(m, p, block));
    } else {
        LM_CHECK((block & (PAGE_BYTES - 1)) == 0 && p->length > 0);
    }
    LM_CHECK(size <= block_bytes(p));
}

// The last block of a slab, the first to come back to a full one, or a large one.
static __attribute__((noinline)) void free_slow(page *p, uint32_t block, lm_memory *m) {
    heap *h = heap_of(m);
    if (p->kind == PAGE_LARGE) {
        run_release(m, &h->runs, block >> PAGE_SHIFT, p->length);
        return;
    }
    bool was_full = !p->free;
    push(m, p, block);
    if (p == current(m, h, p->class)) return;
    if (p->used) { // it was full, and is not now
        partial_insert(m, h, p);
    } else {
        if (!was_full) partial_remove(m, h, p);
        run_release(m, &h->runs, number_of(m, &h->runs, p), p->length);
    }
}

static void paged_free(void *address, size_t size, lm_memory *m) {
    if (LM_UNLIKELY(!address)) return;
    uint32_t block = lm_offset(m, address);
    check_live(m, address, size);
    page *p = page_of(m, runs_of(m), block);
    p -= p->back;
    if (LM_UNLIKELY(!p->free || p->used == 1))
        free_slow(p, block, m);
    else
        push(m, p, block);
}

static bool resize_in_place(uint32_t block, size_t size, lm_memory *m) {
    heap *h = heap_of(m);
    const page *p = page_of(m, &h->runs, block);
    if (p->kind == PAGE_LARGE)
        return size > SMALL_MAX_BYTES && (uint64_t)size <= UINT32_MAX &&
               run_resize(m, block >> PAGE_SHIFT, pages_for(size));
    uint32_t bytes = class_bytes(p->class);
    return size <= bytes && size >= bytes / 2;
}

static void *paged_resize_aligned(void *address, size_t size, size_t alignment, lm_memory *m) {
    uint32_t block = lm_offset(m, address);
    check_live(m, address, 0);
    if (resize_in_place(block, size, m)) return lm_at(m, block);
    return lm_resize_by_copy(address, block_bytes(page_of(m, runs_of(m), block)), size, alignment,
                             m, paged_allocate_aligned, paged_free);
}

static void *paged_resize(void *address, size_t size, lm_memory *m) {
    return paged_resize_aligned(address, size, LM_BLOCK_ALIGNMENT, m);
}

static size_t paged_usable_size(const void *address, lm_memory *m) {
    check_live(m, address, 0);
    return block_bytes(page_of(m, runs_of(m), lm_offset(m, address)));
}

static uint64_t paged_block_bytes_max(size_t size, size_t alignment) {
    if (size < alignment && alignment > LM_BLOCK_ALIGNMENT && alignment <= PAGE_BYTES)
        size = alignment;
    if (size > SMALL_MAX_BYTES)
        return ((uint64_t)size + PAGE_BYTES - 1) & ~((uint64_t)PAGE_BYTES - 1);
    uint32_t class = size ? class_of((uint32_t)size) : 0;
    if (alignment <= PAGE_BYTES)
        while (class_bytes(class) & (alignment - 1) & ~(size_t)15)
            class ++;
    return alignment > PAGE_BYTES ? lm_round_up(size ? (uint32_t)size : 1, PAGE_BYTES)
                                  : class_bytes(class);
}

static void paged_reset(lm_memory *m) {
    runs_reset(m);
    heap *h = heap_of(m);
    memset(h->partial, 0, sizeof h->partial);
    for (uint32_t c = 0; c < CLASSES; c++)
        h->slab[c] = (h->runs.first - 1) * (uint32_t)sizeof(page);
}

static bool paged_start(lm_memory *m) {
    if (!runs_start(m, sizeof(heap))) return false;
    heap *h = heap_of(m);
    for (uint32_t c = 0; c < CLASSES; c++)
        h->slab[c] = (h->runs.first - 1) * (uint32_t)sizeof(page);
    return true;
}

// ---- The walk ----------------------------------------------------------------------------------

static const char *validate_slab(const lm_memory *m, const heap *h, const page *p,
                                 lm_census *census) {
    uint32_t size = class_bytes(p->class), capacity = slab_capacity(p->class), listed = 0;
    uint32_t start = number_of(m, &h->runs, p) << PAGE_SHIFT;
    for (uint32_t block = p->free; block; block = *link_of(m, block)) {
        uint32_t carved = (capacity - p->uncarved) * size;
        if (block < start || block - start >= carved || (block - start) % size != 0)
            return "slab-links";
        if (++listed > capacity) return "slab-links";
    }
    if (p->used + listed + p->uncarved != capacity) return "slab-count";
    for (uint32_t i = 0; i < p->length; i++)
        if (p[i].kind != PAGE_SLAB || p[i].class != p->class || p[i].back != i) return "runs";
    bool on_list = h->partial[p->class] == number_of(m, &h->runs, p) ||
                   (p->prev && page_at(m, &h->runs, p->prev)->next == number_of(m, &h->runs, p));
    if (on_list != (p != current(m, h, p->class) && p->free)) return "partial";
    census->live_blocks += p->used;
    census->live_bytes += (uint64_t)p->used * size;
    census->free_blocks += capacity - p->used;
    census->free_bytes += (uint64_t)(capacity - p->used) * size;
    return NULL;
}

static const char *validate_used(const lm_memory *m, const page *p, lm_census *census) {
    if (p->kind == PAGE_SLAB)
        return p->length == slab_pages(p->class) ? validate_slab(m, heap_of(m), p, census) : "runs";
    if (p->kind != PAGE_LARGE) return "runs";
    census->live_blocks++;
    census->live_bytes += (uint64_t)p->length << PAGE_SHIFT;
    return NULL;
}

static const char *paged_validate(lm_memory *m, lm_census *out) {
    lm_census census = {0};
    const char *broken = runs_validate(m, &census, validate_used);
    if (!broken && out) *out = census;
    return broken;
}

const lm_allocator LM_TABLE(paged) = {
    .name = "paged",
    .idea = "size classes in runs of pages, each with a free list",
    .capabilities = LM_FREES_BLOCKS | LM_RESIZES_IN_PLACE | LM_IN_LINEAR_MEMORY | LM_HOLDS_CONTENT,
    .check_level = LM_CHECK_LEVEL,
    .start = paged_start,
    .allocate = paged_allocate,
    .allocate_zeroed = paged_allocate_zeroed,
    .allocate_aligned = paged_allocate_aligned,
    .resize = paged_resize,
    .resize_aligned = paged_resize_aligned,
    .free = paged_free,
    .usable_size = paged_usable_size,
    .block_bytes_max = paged_block_bytes_max,
    .reset = paged_reset,
    .validate = paged_validate,
};
