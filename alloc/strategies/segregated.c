// segregated: power-of-two size classes with a list each; blocks are never split or merged.
//
// Idea: a block gets its class when it is carved off the uncarved end, and keeps it. Allocate takes
// the first free block of the class, free puts it back: two or three memory accesses, and no
// neighbour is read. Until reset, a block serves no other class.
//
// Source: C. Kingsley's malloc of 4.2BSD (1982); Knuth's segregated storage, the simple segregated
// storage of Wilson et al. (1995). The original carves a page of small blocks at once; here each
// block is carved when it is asked for, so no class takes more than its peak.
//
// Layout: offsets are from the heap, modulo 2^32. A block of 2^k bytes is its word and the payload,
// which is a multiple of 16:
//
//     [heap][region][word] block [word] block ... | uncarved ....... zero ......
//     heap_start      first                       next       clean         end
//
//     word = seal + 4 * offset | FREE | class       a free block's word is followed by a link
//
// The memory is a list of regions, the newest first: one, and one more for each time that other
// code has grown the memory between two of our growths. Each region has an uncarved end. No byte
// from `clean` on has been written since our own growth added it.
//
// An aligned block lies inside a block that is large enough for any skip of 16 bytes up to the
// alignment. That block's word has HOLDER set, as its own start is no payload. Three words before
// the payload lead back to it and hold the size asked for:
//
//     [word] ......... [skipped][asked][word of class ALIGNED] payload ...
//
// The seal, which reset changes, and the offset in each word distinguish the start of a block from
// other data, which equals such a word only by chance.
//
// Laws (validate's names):
//     regions           each ends with a page within the memory, its next block lies in it
//     words             a block's word has its class and its place
//     blocks in region  the last block ends where the next one is to be carved
//     lists             blocks on a list are free and of its class
//     free is listed    the lists hold as many blocks as are free in the heap
//
// Time: allocate and free O(1); if the class has no free block and the current region no room,
// O(regions) and one growth; resize O(1) within the class, or of the last block to a class without
// a free block, else O(size); reset O(regions); validate O(blocks).
// Space: 160 bytes for the heap. A block of 2^k bytes serves 2^k - 4, so a request wastes up to
// half of it: a quarter if sizes are spread evenly, almost half if they are powers of two. An
// aligned request counts as larger by its alignment.
//
// Bound: M(1 + log2 n) for M live bytes at most, rounded up, in blocks of up to n granules: a class
// gets a block, by carving or by a resize of the last block, only if it has no free one, so no
// class has more blocks than its peak of live ones. Some order of requests reaches nearly that.
//
// Good at: time, and programs whose sizes do not change. Bad at: programs in phases, each of which
// leaves its own classes behind, and large blocks.
#include "alloc/strategies/strategy.h"

#ifndef CLASSES // of 2^4 bytes and up
#define CLASSES LM_GEOMETRY(28, 9)
#endif

enum {
    CLASS = 31,
    ALIGNED = CLASS, // the class in the word of an aligned payload
    FREE = 32,
    SEAL_STEP = 0x1e3779c0, // a multiple of 64: the bits below are class and flag
};
#define HOLDER     (1u << 31) // flips the highest bit of the word
#define SIZE_LIMIT ((1u << (CLASSES + 3)) - LM_WORD_BYTES)
_Static_assert(CLASSES <= 28, "a block's bytes and four times its offset fit with the flags");

typedef struct region {
    uint32_t link; // the next older one; 0: none
    uint32_t next; // the block to be carved next
    uint32_t clean;
    uint32_t end;
} region;

typedef struct heap {
    uint32_t current; // the region that blocks are carved of
    uint32_t newest;
    uint32_t seal;
    uint32_t free[CLASSES];
    _Alignas(LM_BLOCK_ALIGNMENT) region oldest;
} heap;

enum { OLDEST = offsetof(heap, oldest), FIRST_BYTES = 2 * LM_BLOCK_ALIGNMENT };
_Static_assert(sizeof(region) + LM_WORD_BYTES <= FIRST_BYTES, "the first block's word fits");

typedef uint32_t __attribute__((may_alias)) word;

static inline heap *segregated_heap(const lm_memory *memory) {
    return lm_at(memory, memory->heap_start);
}
static inline void *segregated_address(heap *h, uint32_t offset) {
    return (unsigned char *)h + offset;
}
static inline word *segregated_word(heap *h, uint32_t offset) {
    return segregated_address(h, offset);
}
static inline word *segregated_tag(heap *h, uint32_t block) {
    return segregated_word(h, block - LM_WORD_BYTES);
}
static inline word *segregated_asked(heap *h, uint32_t payload) { // of an aligned one
    return segregated_word(h, payload - 2 * LM_WORD_BYTES);
}
static inline word *segregated_skipped(heap *h, uint32_t payload) {
    return segregated_word(h, payload - 3 * LM_WORD_BYTES);
}
static inline region *segregated_region(heap *h, uint32_t offset) {
    return segregated_address(h, offset);
}
// From the heap, modulo 2^32.
static inline uint32_t segregated_memory_end(const lm_memory *memory) {
    return (uint32_t)lm_memory_end(memory) - memory->heap_start;
}
static inline uint32_t segregated_sealed(const heap *h, uint32_t block, uint32_t class) {
    return (h->seal + (block << 2)) | class;
}
static inline uint32_t segregated_class_bytes(uint32_t class) {
    return (uint32_t)LM_BLOCK_ALIGNMENT << class;
}

// The class whose blocks have at least `bytes`.
static inline uint32_t segregated_class(uint32_t bytes) {
    return 28 - (uint32_t)__builtin_clz((bytes - 1) | (LM_BLOCK_ALIGNMENT - 1));
}

// The class for a size with its word and all that its alignment may skip; CLASSES if there is none.
static inline uint32_t segregated_class_for(size_t size, size_t alignment) {
    if (alignment <= LM_BLOCK_ALIGNMENT) alignment = 0;
    if (size > SIZE_LIMIT || alignment > SIZE_LIMIT - size) return CLASSES;
    return segregated_class((uint32_t)(size + alignment) + LM_WORD_BYTES);
}

// Whether an offset may be a block's.
static inline bool segregated_holds(const lm_memory *memory, uint32_t block) {
    const uint32_t first = OLDEST + FIRST_BYTES;
    return block % LM_BLOCK_ALIGNMENT == 0 && block - first < segregated_memory_end(memory) - first;
}

// Grows the memory until the newest region, or a new one, has room for `bytes`, and makes that the
// current one. Returns false, with nothing changed, if refused.
static bool segregated_grow(lm_memory *memory, uint32_t bytes) {
    heap *h = segregated_heap(memory);
    const region *newest = segregated_region(h, h->newest);
    uint64_t missing = (uint64_t)bytes + FIRST_BYTES;
    if (segregated_memory_end(memory) == newest->end)
        missing = bytes - (newest->end - newest->next);
    uint32_t pages = (uint32_t)((missing + LM_PAGE_BYTES - 1) / LM_PAGE_BYTES);
    uint32_t before = lm_memory_grow(memory, pages);
    if (before == LM_GROW_REFUSED) return false;
    uint32_t start = before * LM_PAGE_BYTES - memory->heap_start; // modulo 2^32
    h = segregated_heap(memory);
    if (start != segregated_region(h, h->newest)->end) {
        uint32_t first = start + FIRST_BYTES;
        *segregated_region(h, start) = (region){.link = h->newest, .next = first, .clean = first};
        h->newest = start;
    }
    h->current = h->newest;
    segregated_region(h, h->newest)->end = start + pages * LM_PAGE_BYTES;
    return true;
}

// Makes a region with room for `bytes` the current one. Returns false if a growth is refused.
static bool segregated_make_room(lm_memory *memory, uint32_t bytes) {
    heap *h = segregated_heap(memory);
    if (bytes <= segregated_region(h, h->current)->end - segregated_region(h, h->current)->next)
        return true;
    for (uint32_t at = h->newest; at; at = segregated_region(h, at)->link) {
        if (bytes > segregated_region(h, at)->end - segregated_region(h, at)->next) continue;
        h->current = at;
        return true;
    }
    return segregated_grow(memory, bytes);
}

// Carves a block of the class, of which the first *dirty bytes may not be zero. Returns 0 if out of
// memory.
static __attribute__((noinline)) uint32_t segregated_carve(lm_memory *memory, uint32_t class,
                                                           size_t *dirty) {
    uint32_t bytes = segregated_class_bytes(class);
    if (!segregated_make_room(memory, bytes)) return 0;
    heap *h = segregated_heap(memory);
    region *r = segregated_region(h, h->current);
    uint32_t block = r->next, written = r->clean - block;
    r->next = block + bytes;
    *dirty = written < bytes ? written : bytes;
    if (written < bytes) r->clean = r->next;
    *segregated_tag(h, block) = segregated_sealed(h, block, class);
    return block;
}

// Returns a live block of the class; 0 if out of memory.
static inline uint32_t segregated_claim(lm_memory *memory, uint32_t class, size_t *dirty) {
    heap *h = segregated_heap(memory);
    uint32_t block = h->free[class];
    if (LM_UNLIKELY(!block)) return segregated_carve(memory, class, dirty);
    LM_CHECK(segregated_holds(memory, block) &&
             *segregated_tag(h, block) == (segregated_sealed(h, block, class) | FREE));
    h->free[class] = *segregated_word(h, block);
    *segregated_tag(h, block) &= ~(word)FREE;
    *dirty = SIZE_MAX;
    return block;
}

// Returns the block that holds a live payload. Level 1 checks its words.
static inline uint32_t segregated_live(const void *address, const lm_memory *memory) {
    heap *h = segregated_heap(memory);
    uint32_t payload = (uint32_t)((uintptr_t)address - (uintptr_t)h), block = payload;
    LM_CHECK(lm_holds(memory, address) && segregated_holds(memory, payload));
    if (LM_UNLIKELY((*segregated_tag(h, payload) & CLASS) == ALIGNED)) {
        LM_CHECK(*segregated_tag(h, payload) == segregated_sealed(h, payload, ALIGNED));
        block -= *segregated_skipped(h, payload);
        LM_CHECK(segregated_holds(memory, block) && block < payload);
    }
    LM_CHECK((*segregated_tag(h, block) & CLASS) < CLASSES);
    LM_CHECK(*segregated_tag(h, block) ==
             (segregated_sealed(h, block, *segregated_tag(h, block) & CLASS) ^
              (block == payload ? 0 : HOLDER)));
    return block;
}

static bool segregated_start(lm_memory *memory) {
    if (!lm_reach(memory, (uint64_t)memory->heap_start + OLDEST + FIRST_BYTES)) return false;
    heap *h = segregated_heap(memory);
    memset(h, 0, sizeof *h);
    h->current = h->newest = OLDEST;
    h->seal = SEAL_STEP;
    h->oldest.next = OLDEST + FIRST_BYTES;
    h->oldest.clean = h->oldest.end = segregated_memory_end(memory);
    return true;
}

static inline void *segregated_allocate_dirty(size_t size, size_t *dirty, lm_memory *memory) {
    if (LM_UNLIKELY(size > SIZE_LIMIT)) return NULL;
    uint32_t block =
        segregated_claim(memory, segregated_class((uint32_t)size + LM_WORD_BYTES), dirty);
    return LM_LIKELY(block) ? segregated_address(segregated_heap(memory), block) : NULL;
}

static void *segregated_allocate(size_t size, lm_memory *memory) {
    size_t dirty;
    return segregated_allocate_dirty(size, &dirty, memory);
}

static void *segregated_allocate_aligned(size_t alignment, size_t size, lm_memory *memory) {
    if (alignment <= LM_BLOCK_ALIGNMENT) return segregated_allocate(size, memory);
    uint32_t class = segregated_class_for(size, alignment), step = (uint32_t)alignment;
    size_t dirty;
    uint32_t block = class < CLASSES ? segregated_claim(memory, class, &dirty) : 0;
    if (!block) return NULL;
    heap *h = segregated_heap(memory);
    uint32_t over = (memory->heap_start + block) & (step - 1);
    uint32_t payload = block + step - over;
    *segregated_tag(h, block) ^= HOLDER;
    *segregated_skipped(h, payload) = step - over;
    *segregated_asked(h, payload) = (uint32_t)size;
    *segregated_tag(h, payload) = segregated_sealed(h, payload, ALIGNED);
    return segregated_address(h, payload);
}

static size_t segregated_usable_size(const void *address, lm_memory *memory) {
    heap *h = segregated_heap(memory);
    uint32_t payload = (uint32_t)((uintptr_t)address - (uintptr_t)h),
             block = segregated_live(address, memory);
    if (block != payload) return *segregated_asked(h, payload);
    return segregated_class_bytes(*segregated_tag(h, block) & CLASS) - LM_WORD_BYTES;
}

static void segregated_free(void *address, size_t size, lm_memory *memory) {
    if (LM_UNLIKELY(!address)) return;
    heap *h = segregated_heap(memory);
    uint32_t payload = (uint32_t)((uintptr_t)address - (uintptr_t)h),
             block = segregated_live(address, memory);
    LM_CHECK(size <= segregated_usable_size(address, memory));
    (void)size;
    if (block != payload) {
        *segregated_tag(h, payload) = 0; // no payload begins here any more
        *segregated_tag(h, block) ^= HOLDER;
    }
    uint32_t class = *segregated_tag(h, block) & CLASS;
    *segregated_tag(h, block) |= FREE;
    *segregated_word(h, block) = h->free[class];
    h->free[class] = block;
}

static uint64_t segregated_block_bytes_max(size_t size, size_t alignment) {
    uint32_t class = segregated_class_for(size, alignment);
    return class < CLASSES ? segregated_class_bytes(class) : (uint64_t)UINT32_MAX + 1;
}

// Changes the class of the last block of the current region, which may grow for it; but only if
// that class has no free block: else each round of allocate, resize and free would add one to it.
static bool segregated_resize_last(uint32_t block, uint32_t class, lm_memory *memory) {
    heap *h = segregated_heap(memory);
    const region *r = segregated_region(h, h->current);
    if (h->free[class]) return false;
    if (block + segregated_class_bytes(*segregated_tag(h, block) & CLASS) != r->next) return false;
    uint32_t had = r->next - block, bytes = segregated_class_bytes(class);
    if (bytes > had && bytes - had > r->end - r->next) {
        if (segregated_memory_end(memory) != r->end) return false; // of the newest only
        if (!segregated_grow(memory, bytes - had)) return false;
    }
    h = segregated_heap(memory);
    region *now = segregated_region(h, h->current);
    now->next = block + bytes;
    if (bytes > had && now->clean - block < bytes) now->clean = now->next;
    *segregated_tag(h, block) += class - (*segregated_tag(h, block) & CLASS);
    return true;
}

// A block keeps its place if at least a quarter of it is needed, with what its alignment may skip.
static void *segregated_resize_aligned(void *address, size_t size, size_t alignment,
                                       lm_memory *memory) {
    heap *h = segregated_heap(memory);
    uint32_t payload = (uint32_t)((uintptr_t)address - (uintptr_t)h),
             block = segregated_live(address, memory);
    uint32_t had = *segregated_tag(h, block) & CLASS, class = segregated_class_for(size, alignment);
    if (class == CLASSES) return NULL;
    uint32_t need = segregated_class((uint32_t)size + (payload - block) + LM_WORD_BYTES);
    if ((need <= had && had <= class + 1) ||
        (need < CLASSES && need <= class + 1 && segregated_resize_last(block, need, memory))) {
        h = segregated_heap(memory);
        if (block != payload) *segregated_asked(h, payload) = (uint32_t)size;
        return segregated_address(h, payload);
    }
    return lm_resize_by_copy(address, segregated_usable_size(address, memory), size, alignment,
                             memory, segregated_allocate_aligned, segregated_free);
}

LM_ZEROED_AND_RESIZE(segregated)

static void segregated_reset(lm_memory *memory) {
    heap *h = segregated_heap(memory);
    memset(h->free, 0, sizeof h->free);
    for (uint32_t at = h->newest; at; at = segregated_region(h, at)->link)
        segregated_region(h, at)->next = at + FIRST_BYTES;
    h->current = OLDEST;
    h->seal += SEAL_STEP; // so that no older word is valid
}

// Checks the blocks of a region.
static const char *segregated_region_law(heap *h, const region *r, uint32_t first,
                                         lm_census *census) {
    for (uint32_t block = first, bytes; block != r->next; block += bytes) {
        uint32_t own = *segregated_tag(h, block), class = own & CLASS;
        uint32_t flags = own ^ segregated_sealed(h, block, class); // free, a holder, or neither
        if (class >= CLASSES || (flags && flags != FREE && flags != HOLDER)) return "words";
        bytes = segregated_class_bytes(class);
        if (bytes > r->next - block) return "blocks in region";
        *(own & FREE ? &census->free_blocks : &census->live_blocks) += 1;
        *(own & FREE ? &census->free_bytes : &census->live_bytes) += bytes;
    }
    return NULL;
}

static const char *segregated_regions_law(lm_memory *memory, lm_census *census) {
    heap *h = segregated_heap(memory);
    uint32_t most = lm_memory_pages(memory), at = h->newest;
    for (bool current = false; at; at = segregated_region(h, at)->link) {
        if (most-- == 0 || at % LM_BLOCK_ALIGNMENT ||
            at - OLDEST >= segregated_memory_end(memory) - OLDEST)
            return "regions";
        const region *r = segregated_region(h, at);
        uint32_t first = at + FIRST_BYTES;
        uint64_t bytes = (uint32_t)(r->end - first), end = memory->heap_start + first + bytes;
        if (end % LM_PAGE_BYTES != 0 || end > lm_memory_end(memory)) return "regions";
        if (r->next - first > bytes || r->clean - r->next > r->end - r->next) return "regions";
        current |= at == h->current;
        if (at == OLDEST ? !current || r->link : !r->link) return "regions";
        census->heap_bytes += bytes + FIRST_BYTES + (at == OLDEST ? OLDEST : 0);
        const char *broken = segregated_region_law(h, r, first, census);
        if (broken) return broken;
    }
    return NULL;
}

static const char *segregated_validate(lm_memory *memory, lm_census *census) {
    heap *h = segregated_heap(memory);
    lm_census seen = {0};
    const char *broken = segregated_regions_law(memory, &seen);
    if (broken) return broken;
    uint64_t listed = 0;
    for (uint32_t class = 0; class < CLASSES; class ++)
        for (uint32_t block = h->free[class]; block; block = *segregated_word(h, block)) {
            if (!segregated_holds(memory, block) ||
                *segregated_tag(h, block) != (segregated_sealed(h, block, class) | FREE))
                return "lists";
            if (++listed > seen.free_blocks) return "free is listed";
        }
    if (listed != seen.free_blocks) return "free is listed";
    for (uint32_t at = h->newest; at;
         at = segregated_region(h, at)->link) { // the uncarved end is free
        uint32_t left = segregated_region(h, at)->end - segregated_region(h, at)->next;
        seen.free_blocks += left != 0;
        seen.free_bytes += left;
    }
    if (census) *census = seen;
    return NULL;
}

// No class takes more than its peak of live blocks. Each region may end with less than a request.
static uint64_t segregated_heap_bytes_max(const lm_demand *demand) {
    uint64_t most = demand->block_bytes;
    uint64_t by_classes = demand->live_bytes * (1 + lm_granules_log2(most));
    uint64_t by_blocks = 2 * demand->live_blocks * most;
    uint64_t bytes = by_classes < by_blocks ? by_classes : by_blocks;
    uint64_t ends = demand->foreign_growths * (most + LM_PAGE_BYTES);
    return lm_heap_bytes(bytes + ends, OLDEST + FIRST_BYTES);
}

LM_STRATEGY(segregated, segregated, .idea = "power-of-two classes, a list each; no split, no merge",
            .bound = "M (1 + log2 n), each class at its own peak",
            .capabilities = LM_FREES_BLOCKS | LM_BOUNDED_SEARCH | LM_RESIZES_IN_PLACE |
                            LM_IN_LINEAR_MEMORY | LM_HOLDS_CONTENT,
            .allocate_dirty = segregated_allocate_dirty,
            .heap_bytes_max = segregated_heap_bytes_max);
