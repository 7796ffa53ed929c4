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
#include "alloc/strategies/strategy.h"

// Geometry.
enum {
    PAGE_SHIFT = 12,
    PAGE_BYTES = 1 << PAGE_SHIFT,
    SMALL_MAX_BYTES = 16384, // the largest class
    CLASSES = 36,            // class_of(SMALL_MAX_BYTES) + 1
    PAGES_MAX = 1 << 20,     // 4 GiB
    PAGES_A_GROWTH = LM_PAGE_BYTES / PAGE_BYTES,
    BINS = 76, // bin_of(PAGES_MAX) + 1
    BIN_TRIES = 8,
    TABLE_PAGES_FIRST = 128, // descriptors in the first table: 512 KiB
    CARVE_BYTES = 2048,      // how much of a slab is linked at a time
};

typedef enum page_kind {
    PAGE_NOT_OURS, // somebody else's growth
    PAGE_FREE,
    PAGE_SLAB,
    PAGE_LARGE, // one block
    PAGE_TABLE,
} page_kind;

// A page's descriptor. In a slab all pages tell kind, class and how far back the first one is; the
// rest stands in a run's first page. A free run's last page repeats its length.
typedef struct page {
    uint32_t free;       // slab: its first free block; else 0
    uint32_t next, prev; // slab with free blocks, free run: neighbours in its list, page numbers
    uint32_t length;     // the run, in pages
    uint16_t used;       // slab: live blocks; large: 1
    uint16_t uncarved;   // slab: blocks at its end that were never handed out
    uint8_t kind, class, back, unused;
} page;

typedef struct heap {
    uint32_t table;            // offset of the descriptor of page 0, were there one (modulo 2^32)
    uint32_t first;            // our first page
    uint32_t end;              // one past the last page that has a descriptor, ours or not
    uint32_t capacity;         // one past the last page that the table has room for
    uint32_t slab[CLASSES];    // the current slab of each class: its descriptor, from `table`
    uint32_t partial[CLASSES]; // other slabs with free blocks
    uint32_t bins[BINS];       // free runs
    uint32_t bin_map[(BINS + 31) / 32];
} heap;

_Static_assert(sizeof(page) == 24, "a table of 24-byte descriptors is 0.6 % of the memory");
_Static_assert(LM_PAGE_BYTES % PAGE_BYTES == 0, "memory grows by whole pages of ours");
_Static_assert((uint64_t)PAGES_MAX *PAGE_BYTES == (uint64_t)1 << 32, "pages fill the memory");

static inline uint32_t most_significant_bit(uint32_t n) {
    return 31u - (uint32_t)__builtin_clz(n);
}

// Four classes to a doubling, from 64 up; 16, 32, 48 before: 0 … 3 are multiples of 16.
static inline uint32_t class_of(uint32_t size) { // 1 … SMALL_MAX_BYTES
    uint32_t n = size - 1, msb = most_significant_bit(n | 64);
    return (n >> (msb - 2)) + ((msb - 6) << 2);
}

static inline uint32_t class_bytes(uint32_t class) {
    return class < 8 ? (class + 1) << 4 : (5 + (class & 3)) << ((class >> 2) + 3);
}

static uint32_t slab_pages(uint32_t class) {
    uint32_t blocks_min = class_bytes(class) <= 4096 ? 8 : 4;
    return (blocks_min * class_bytes(class) + PAGE_BYTES - 1) >> PAGE_SHIFT;
}

static uint32_t slab_capacity(uint32_t class) {
    return (slab_pages(class) << PAGE_SHIFT) / class_bytes(class);
}

static inline heap *heap_of(const lm_memory *memory) {
    return lm_at(memory, memory->heap_start);
}

static inline page *page_at(const lm_memory *memory, const heap *h, uint32_t number) {
    return lm_at(memory, h->table + number * (uint32_t)sizeof(page));
}

static inline page *page_of(const lm_memory *memory, const heap *h, uint32_t offset) {
    return page_at(memory, h, offset >> PAGE_SHIFT);
}

static uint32_t number_of(const lm_memory *memory, const heap *h, const page *p) {
    return (lm_offset(memory, p) - h->table) / (uint32_t)sizeof(page);
}

static inline uint32_t *link_of(const lm_memory *memory, uint32_t block) {
    return lm_at(memory, block);
}

// ---- Free runs ---------------------------------------------------------------------------------

// The bin of a length: exact up to 8 pages, then four to a doubling.
static uint32_t bin_of(uint32_t pages) {
    return class_of(pages << 4);
} // 1 … PAGES_MAX

static void bin_insert(const lm_memory *m, heap *h, uint32_t first, uint32_t length) {
    page *p = page_at(m, h, first), *last = page_at(m, h, first + length - 1);
    uint32_t bin = bin_of(length);
    *last = (page){.length = length, .kind = PAGE_FREE};
    *p = (page){.next = h->bins[bin], .length = length, .kind = PAGE_FREE};
    if (p->next) page_at(m, h, p->next)->prev = first;
    h->bins[bin] = first;
    h->bin_map[bin / 32] |= 1u << bin % 32;
}

static void bin_remove(const lm_memory *m, heap *h, uint32_t first) {
    const page *p = page_at(m, h, first);
    uint32_t bin = bin_of(p->length);
    if (p->next) page_at(m, h, p->next)->prev = p->prev;
    if (p->prev)
        page_at(m, h, p->prev)->next = p->next;
    else
        h->bins[bin] = p->next;
    if (!h->bins[bin]) h->bin_map[bin / 32] &= ~(1u << bin % 32);
}

// Frees pages:  [ free ][ these ][ free ] => [ ------- free ------- ]
static void run_release(const lm_memory *m, heap *h, uint32_t first, uint32_t length) {
    uint32_t end = first + length;
    if (end < h->end && page_at(m, h, end)->kind == PAGE_FREE) {
        length += page_at(m, h, end)->length;
        bin_remove(m, h, end);
    }
    if (first > h->first && page_at(m, h, first - 1)->kind == PAGE_FREE) {
        uint32_t before = page_at(m, h, first - 1)->length;
        first -= before;
        length += before;
        bin_remove(m, h, first);
    }
    bin_insert(m, h, first, length);
}

// A free run of at least `pages`, out of its list; 0: none was found. The list whose runs may be
// too short is searched for `tries` of them.
static uint32_t run_find(const lm_memory *m, heap *h, uint32_t pages, uint32_t tries) {
    uint32_t bin = bin_of(pages);
    for (uint32_t n = h->bins[bin]; n && tries--; n = page_at(m, h, n)->next)
        if (page_at(m, h, n)->length >= pages) {
            bin_remove(m, h, n);
            return n;
        }
    for (uint32_t from = bin + 1; from < BINS; from = (from / 32 + 1) * 32) {
        uint32_t map = h->bin_map[from / 32] >> from % 32;
        if (!map) continue;
        uint32_t n = h->bins[from + (uint32_t)__builtin_ctz(map)];
        bin_remove(m, h, n);
        return n;
    }
    return 0;
}

// ---- The heap's extent --------------------------------------------------------------------------

static void run_claim(const lm_memory *m, heap *h, uint32_t first, uint32_t length,
                      page_kind kind) {
    page *p = page_at(m, h, first), *last = page_at(m, h, first + length - 1);
    *last = (page){.kind = (uint8_t)kind};
    *p = (page){.length = length, .used = 1, .kind = (uint8_t)kind};
}

// The offset at which the table lies; its first descriptor is that of the page before the first.
static uint32_t table_offset(const heap *h) {
    return h->table + (h->first - 1) * (uint32_t)sizeof(page);
}

// How many pages a table takes that has room for twice the pages up to `end`.
static uint32_t table_pages(const heap *h, uint32_t end) {
    uint64_t count = 2 * (uint64_t)(end - h->first + 1) + 32;
    uint64_t most = PAGES_MAX - h->first + 1;
    if (count > most) count = most;
    return (uint32_t)((count * sizeof(page) + PAGE_BYTES - 1) >> PAGE_SHIFT);
}

// The table's pages; none while it is the first one.
static uint32_t table_run(const lm_memory *m, const heap *h, uint32_t *length) {
    uint32_t first = table_offset(h) >> PAGE_SHIFT;
    *length = first >= h->first ? page_at(m, h, first)->length : 0;
    return first;
}

// Moves the table to other pages.
static void table_move(lm_memory *m, heap *h, uint32_t to, uint32_t pages) {
    memcpy(lm_at(m, to << PAGE_SHIFT), lm_at(m, table_offset(h)),
           (h->end - h->first + 1) * sizeof(page));
    h->table = (to << PAGE_SHIFT) - (h->first - 1) * (uint32_t)sizeof(page);
    h->capacity = h->first - 1 + (pages << PAGE_SHIFT) / (uint32_t)sizeof(page);
    run_claim(m, h, to, pages, PAGE_TABLE);
}

// Takes over the pages start … end − 1, which are new; those between h->end and start are not ours.
// The table moves to the last `table` of them, where that is not 0.
static void heap_extend(lm_memory *m, heap *h, uint32_t start, uint32_t end, uint32_t table) {
    if (table) {
        uint32_t old_length, old = table_run(m, h, &old_length);
        table_move(m, h, end - table, table);
        if (old_length) run_release(m, h, old, old_length);
    }
    for (uint32_t n = h->end; n < start; n++)
        *page_at(m, h, n) = (page){.kind = PAGE_NOT_OURS};
    h->end = end;
    if (end - table > start) run_release(m, h, start, end - table - start);
}

static uint32_t memory_end(const lm_memory *m) {
    return lm_memory_pages(m) * PAGES_A_GROWTH;
}

// Grows the memory until a free run of `pages` lies at its end. False: refused, nothing has
// changed.
static bool heap_grow(lm_memory *m, uint32_t pages) {
    const heap *h = heap_of(m);
    uint32_t end = memory_end(m), have = 0;
    if (end == h->end && end > h->first) {
        const page *last = page_at(m, h, end - 1);
        if (last->kind == PAGE_FREE) have = last->length;
    }
    uint32_t needed = pages - have, table = 0; // have < pages, or it would have been found
    if (end + lm_round_up(needed, PAGES_A_GROWTH) > h->capacity)
        table = table_pages(h, end + needed); // for twice as many, so for itself and rounding too
    uint32_t growth = lm_round_up(needed + table, PAGES_A_GROWTH) / PAGES_A_GROWTH;
    uint32_t start = lm_memory_grow(m, growth);
    if (start == LM_GROW_REFUSED) return false;
    heap_extend(m, heap_of(m), start * PAGES_A_GROWTH, (start + growth) * PAGES_A_GROWTH, table);
    return true;
}

static bool paged_start(lm_memory *m) {
    uint64_t state_end = (uint64_t)m->heap_start + sizeof(heap) + TABLE_PAGES_FIRST * sizeof(page);
    uint32_t first = (uint32_t)((state_end + PAGE_BYTES - 1) >> PAGE_SHIFT);
    uint32_t end = memory_end(m);
    if (end < first) {
        uint32_t growth = lm_round_up(first - end, PAGES_A_GROWTH) / PAGES_A_GROWTH;
        if (lm_memory_grow(m, growth) == LM_GROW_REFUSED) return false;
        end = memory_end(m);
    }
    heap *h = heap_of(m);
    memset(h, 0, sizeof *h + TABLE_PAGES_FIRST * sizeof(page));
    h->first = h->end = first;
    h->table = m->heap_start + (uint32_t)(sizeof *h - (first - 1) * sizeof(page));
    h->capacity = first - 1 + TABLE_PAGES_FIRST;
    for (uint32_t c = 0; c < CLASSES; c++)
        h->slab[c] = (first - 1) * (uint32_t)sizeof(page);
    heap_extend(m, h, first, end, end > h->capacity ? table_pages(h, end) : 0);
    return true;
}

// ---- Runs and slabs ----------------------------------------------------------------------------

static page *current(const lm_memory *m, const heap *h, uint32_t class) {
    return lm_at(m, h->table + h->slab[class]);
}

// Current slabs without a live block become free runs.
static void release_idle(const lm_memory *m, heap *h) {
    for (uint32_t c = 0; c < CLASSES; c++) {
        uint32_t n = h->slab[c] / (uint32_t)sizeof(page);
        if (n < h->first || page_at(m, h, n)->used) continue;
        h->slab[c] = (h->first - 1) * (uint32_t)sizeof(page);
        run_release(m, h, n, page_at(m, h, n)->length);
    }
}

// Takes a run of `pages` pages, as a large block until it is made something else. 0: no memory.
static uint32_t run_take(lm_memory *m, uint32_t pages) {
    if (pages > PAGES_MAX) return 0;
    uint32_t n = run_find(m, heap_of(m), pages, BIN_TRIES);
    if (!n) { // before the memory grows, all that there is
        release_idle(m, heap_of(m));
        n = run_find(m, heap_of(m), pages, UINT32_MAX);
    }
    if (!n) {
        if (!heap_grow(m, pages)) return 0;
        n = run_find(m, heap_of(m), pages, 1); // it is the first of its list
    }
    heap *h = heap_of(m);
    uint32_t rest = page_at(m, h, n)->length - pages;
    if (rest) bin_insert(m, h, n + pages, rest);
    run_claim(m, h, n, pages, PAGE_LARGE);
    return n;
}

static uint32_t slab_new(lm_memory *m, uint32_t class) {
    uint32_t pages = slab_pages(class), n = run_take(m, pages);
    if (!n) return 0;
    page *p = page_at(m, heap_of(m), n);
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
    uint32_t start = number_of(m, h, p) << PAGE_SHIFT;
    uint32_t first = start + (slab_capacity(p->class) - p->uncarved) * size;
    uint32_t last = first + (count - 1) * size;
    for (uint32_t block = first; block < last; block += size)
        *link_of(m, block) = block + size;
    *link_of(m, last) = p->free;
    p->free = first;
    p->uncarved = (uint16_t)(p->uncarved - count);
}

static void partial_insert(const lm_memory *m, heap *h, page *p) {
    uint32_t n = number_of(m, h, p), next = h->partial[p->class];
    p->prev = 0;
    p->next = next;
    if (next) page_at(m, h, next)->prev = n;
    h->partial[p->class] = n;
}

static void partial_remove(const lm_memory *m, heap *h, const page *p) {
    if (p->next) page_at(m, h, p->next)->prev = p->prev;
    if (p->prev)
        page_at(m, h, p->prev)->next = p->next;
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
            partial_remove(m, h, page_at(m, h, n));
        else
            n = slab_new(m, class);
        if (!n) return NULL;
        h = heap_of(m);
        h->slab[class] = n * (uint32_t)sizeof(page);
        p = page_at(m, h, n);
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
    uint32_t n = run_take(m, (uint32_t)(((uint64_t)size + PAGE_BYTES - 1) >> PAGE_SHIFT));
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
    if ((uint64_t)size > UINT32_MAX) return NULL;
    uint32_t pages = (uint32_t)(((uint64_t)size + PAGE_BYTES - 1) >> PAGE_SHIFT);
    if (pages == 0) pages = 1;
    uint32_t step = (uint32_t)alignment >> PAGE_SHIFT, n = run_take(m, pages + step - 1);
    if (!n) return NULL;
    heap *h = heap_of(m);
    uint32_t before = lm_round_up(n, step) - n, after = step - 1 - before;
    if (before) bin_insert(m, h, n, before);
    run_claim(m, h, n + before, pages, PAGE_LARGE);
    if (after) run_release(m, h, n + before + pages, after);
    return lm_at(m, (n + before) << PAGE_SHIFT);
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
    LM_CHECK(block >> PAGE_SHIFT >= h->first && block >> PAGE_SHIFT < h->end);
    const page *p = page_of(m, h, block);
    LM_CHECK(p->kind == PAGE_SLAB || p->kind == PAGE_LARGE);
    if (p->kind == PAGE_SLAB) {
        p -= p->back;
        uint32_t start = number_of(m, h, p) << PAGE_SHIFT, bytes = class_bytes(p->class);
        LM_CHECK((block - start) % bytes == 0 && p->used > 0);
        LM_CHECK((block - start) / bytes < slab_capacity(p->class) - p->uncarved);
        LM_CHECK(!is_free(m, p, block));
    } else {
        LM_CHECK((block & (PAGE_BYTES - 1)) == 0 && p->length > 0 && p->used == 1);
    }
    LM_CHECK(size <= block_bytes(p));
}

// The last block of a slab, the first to come back to a full one, or a large one.
static __attribute__((noinline)) void free_slow(page *p, uint32_t block, lm_memory *m) {
    heap *h = heap_of(m);
    if (p->kind == PAGE_LARGE) {
        run_release(m, h, block >> PAGE_SHIFT, p->length);
        return;
    }
    bool was_full = !p->free;
    push(m, p, block);
    if (p == current(m, h, p->class)) return;
    if (p->used) { // it was full, and is not now
        partial_insert(m, h, p);
    } else {
        if (!was_full) partial_remove(m, h, p);
        run_release(m, h, number_of(m, h, p), p->length);
    }
}

static void paged_free(void *address, size_t size, lm_memory *m) {
    if (LM_UNLIKELY(!address)) return;
    uint32_t block = lm_offset(m, address);
    check_live(m, address, size);
    page *p = page_of(m, heap_of(m), block);
    p -= p->back;
    if (LM_UNLIKELY(!p->free || p->used == 1))
        free_slow(p, block, m);
    else
        push(m, p, block);
}

// How many free pages lie behind a run.
static uint32_t room_behind(const lm_memory *m, const heap *h, uint32_t end) {
    const page *next = page_at(m, h, end);
    return end < h->end && next->kind == PAGE_FREE ? next->length : 0;
}

// A large block in place: it gives pages back, or takes those of the free run behind it, for which
// the memory may grow.
static bool resize_run(lm_memory *m, uint32_t n, uint32_t pages) {
    heap *h = heap_of(m);
    uint32_t length = page_at(m, h, n)->length, end = n + length;
    if (pages > length) {
        uint32_t more = pages - length, room = room_behind(m, h, end);
        if (room < more && end + room == h->end && h->end == memory_end(m)) {
            if (!heap_grow(m, more)) return false;
            h = heap_of(m);
            room = room_behind(m, h, end);
        }
        if (room < more) return false;
        bin_remove(m, h, end);
        if (room > more) bin_insert(m, h, n + pages, room - more);
    }
    run_claim(m, h, n, pages, PAGE_LARGE);
    if (pages < length) run_release(m, h, n + pages, length - pages);
    return true;
}

static bool resize_in_place(uint32_t block, size_t size, lm_memory *m) {
    heap *h = heap_of(m);
    const page *p = page_of(m, h, block);
    if (p->kind == PAGE_LARGE)
        return size > SMALL_MAX_BYTES && (uint64_t)size <= UINT32_MAX &&
               resize_run(m, block >> PAGE_SHIFT,
                          (uint32_t)(((uint64_t)size + PAGE_BYTES - 1) >> PAGE_SHIFT));
    uint32_t bytes = class_bytes(p->class);
    return size <= bytes && size >= bytes / 2;
}

static void *paged_resize_aligned(void *address, size_t size, size_t alignment, lm_memory *m) {
    uint32_t block = lm_offset(m, address);
    check_live(m, address, 0);
    if (resize_in_place(block, size, m)) return lm_at(m, block);
    return lm_resize_by_copy(address, block_bytes(page_of(m, heap_of(m), block)), size, alignment,
                             m, paged_allocate_aligned, paged_free);
}

static void *paged_resize(void *address, size_t size, lm_memory *m) {
    return paged_resize_aligned(address, size, LM_BLOCK_ALIGNMENT, m);
}

static size_t paged_usable_size(const void *address, lm_memory *m) {
    check_live(m, address, 0);
    return block_bytes(page_of(m, heap_of(m), lm_offset(m, address)));
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

// The table goes to the front, where that is free, so that it splits nothing.
static void table_to_front(lm_memory *m, heap *h) {
    uint32_t length, old = table_run(m, h, &length);
    const page *front = page_at(m, h, h->first);
    if (!length || front->kind != PAGE_FREE || front->length < length) return;
    uint32_t rest = front->length - length;
    bin_remove(m, h, h->first);
    table_move(m, h, h->first, length);
    if (rest) bin_insert(m, h, h->first + length, rest);
    run_release(m, h, old, length);
}

static void paged_reset(lm_memory *m) {
    heap *h = heap_of(m);
    memset(h->bins, 0, sizeof h->bins);
    memset(h->bin_map, 0, sizeof h->bin_map);
    memset(h->partial, 0, sizeof h->partial);
    for (uint32_t c = 0; c < CLASSES; c++)
        h->slab[c] = (h->first - 1) * (uint32_t)sizeof(page);
    for (uint32_t n = h->first, run = n; n <= h->end;) { // `run`: where what is now free begins
        page_kind kind = n < h->end ? page_at(m, h, n)->kind : PAGE_NOT_OURS;
        uint32_t length = kind == PAGE_NOT_OURS ? 1 : page_at(m, h, n)->length;
        if (kind == PAGE_NOT_OURS || kind == PAGE_TABLE) {
            if (n > run) bin_insert(m, h, run, n - run);
            run = n + length;
        }
        n += length;
    }
    if (h->end > h->first) table_to_front(m, h);
}

// ---- The walk ----------------------------------------------------------------------------------

static const char *validate_slab(const lm_memory *m, const heap *h, const page *p,
                                 lm_census *census) {
    uint32_t size = class_bytes(p->class), capacity = slab_capacity(p->class), listed = 0;
    uint32_t start = number_of(m, h, p) << PAGE_SHIFT;
    for (uint32_t block = p->free; block; block = *link_of(m, block)) {
        uint32_t carved = (capacity - p->uncarved) * size;
        if (block < start || block - start >= carved || (block - start) % size != 0)
            return "slab-links";
        if (++listed > capacity) return "slab-links";
    }
    if (p->used + listed + p->uncarved != capacity) return "slab-count";
    for (uint32_t i = 0; i < p->length; i++)
        if (p[i].kind != PAGE_SLAB || p[i].class != p->class || p[i].back != i) return "runs";
    bool on_list = h->partial[p->class] == number_of(m, h, p) ||
                   (p->prev && page_at(m, h, p->prev)->next == number_of(m, h, p));
    if (on_list != (p != current(m, h, p->class) && p->free)) return "partial";
    census->live_blocks += p->used;
    census->live_bytes += (uint64_t)p->used * size;
    census->free_blocks += capacity - p->used;
    census->free_bytes += (uint64_t)(capacity - p->used) * size;
    return NULL;
}

static const char *validate_bins(const lm_memory *m, const heap *h, uint32_t free_runs) {
    uint32_t listed = 0;
    for (uint32_t bin = 0; bin < BINS; bin++) {
        bool mapped = h->bin_map[bin / 32] >> bin % 32 & 1;
        if (mapped != (h->bins[bin] != 0)) return "bins";
        for (uint32_t n = h->bins[bin], before = 0; n; before = n, n = page_at(m, h, n)->next) {
            if (n < h->first || n >= h->end || ++listed > free_runs) return "bins";
            const page *p = page_at(m, h, n);
            if (p->kind != PAGE_FREE || p->prev != before || bin_of(p->length) != bin)
                return "bins";
        }
    }
    return listed == free_runs ? NULL : "bins";
}

static const char *paged_validate(lm_memory *m, lm_census *out) {
    const heap *h = heap_of(m);
    lm_census census = {0};
    uint32_t free_runs = 0, n = h->first;
    bool after_free = false;
    while (n < h->end) {
        const page *p = page_at(m, h, n);
        uint32_t length = p->kind == PAGE_NOT_OURS ? 1 : p->length;
        if (length == 0 || length > h->end - n) return "runs";
        if (p->kind == PAGE_FREE) {
            const page *last = page_at(m, h, n + length - 1);
            if (after_free) return "coalesced";
            if (last->kind != PAGE_FREE || last->length != length) return "runs";
            free_runs++;
            census.free_blocks++;
            census.free_bytes += (uint64_t)length << PAGE_SHIFT;
        } else if (p->kind == PAGE_SLAB) {
            if (length != slab_pages(p->class)) return "runs";
            const char *broken = validate_slab(m, h, p, &census);
            if (broken) return broken;
        } else if (p->kind == PAGE_LARGE) {
            census.live_blocks++;
            census.live_bytes += (uint64_t)length << PAGE_SHIFT;
        } else if (p->kind != PAGE_TABLE && p->kind != PAGE_NOT_OURS) {
            return "runs";
        }
        if (p->kind != PAGE_NOT_OURS) census.heap_bytes += (uint64_t)length << PAGE_SHIFT;
        after_free = p->kind == PAGE_FREE;
        n += length;
    }
    census.heap_bytes += ((uint64_t)h->first << PAGE_SHIFT) - m->heap_start;
    if (out) *out = census;
    return validate_bins(m, h, free_runs);
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
