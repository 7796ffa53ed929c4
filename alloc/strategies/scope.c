// scope: a bump allocator with nested scopes.
//
// Idea: what a function allocates for its own use dies when it returns, and so do the scopes that
// it opened: one step back frees all of it.
//
// Source: the obstack of GNU, the mark and release of Pascal, the nested arenas of Hanson, "Fast
// allocation and deallocation of memory based on object lifetimes" (1990). Kotlin/Wasm offers
// linear memory in this way only (withScopedMemoryAllocator).
//
// Layout: the word before a block, its tag, holds its bytes up to the next block; resize needs them
// to know how much to copy and whether the block is the last, and validate to walk a region. The
// heap is one region, and one more for each time that other code has grown the memory between two
// of our growths. A region that is entered begins with a record of the one before it, so the
// regions in use are a stack. Offsets are those of the memory, modulo 2^32, as a region may end
// there. The bytes that an alignment skips are a block that is never returned.
//
//     [heap][tag] block [tag] block ... | free    foreign    [record][tag] block ... | free
//           ^bottom                     next                 ^top.start              ^top.next
//
// Idle regions are a list, the largest first: if that one is too small, all are. The list ends with
// the bottom, an empty region within the heap, so no code tests for its end.
//
// open_scope allocates a record that says where to go back to. close_scope goes back to the region
// and the place of that record. Regions entered since then become idle and serve later requests, so
// memory that grew inside a scope stays with the heap.
//
//     ... block [record] block block [record] block | next
//                 ^------- outer ------'               scope: the inner record
//
// Laws (validate's names):
//     regions         each begins and ends with a page within the memory
//     next in region  a region's blocks end in it
//     block in region each block has at least 16 bytes, and the chain ends where it should
//     idle regions    none is larger than the one before it
//     scopes          open ones are nested, each recorded below the one it encloses
//
// Time: allocate O(1), and one growth if the region is full and the largest idle one too small;
// free O(1), it does nothing; resize O(1) for the last block, else O(size); open O(1); close and
// reset O(1), and O(idle regions) for each region entered since; validate O(blocks).
// Space: 4 bytes a block, rounded up to 16; 16 bytes a scope, 32 for the heap.
//
// Bound: S + n for the S bytes asked for since the innermost scope was opened and in the scopes
// around it, resizes included, and the largest request n. There is no bound in terms of live bytes.
// If other code grows the memory between our growths, each size that needs one page more than all
// before it may need a region of its own, and each region may be left almost unused.
//
// Good at: time, and memory that is freed in the order of the calls. Bad at: blocks that outlive
// the scope they were allocated in; resizing any block but the last copies it.
#include "alloc/strategies/strategy.h"

enum { SKIPPED = 1, FREED = 2, RECORD = 4, FLAGS = LM_BLOCK_ALIGNMENT - 1 };

typedef struct region {
    uint32_t next; // of the next block
    uint32_t end;
    uint32_t start; // the record is there. In an idle region's record: the next idle one
} region;

typedef struct heap {
    region top;     // the current one
    uint32_t idle;  // the first idle one
    uint32_t dirty; // bytes at or above both this and top.next were never written
    uint32_t bottom_end;
    uint32_t scope; // the innermost open one's record; 0: none
    uint32_t first_tag;
} heap;

enum { FIRST = sizeof(heap), BOTTOM = offsetof(heap, dirty) };
_Static_assert(FIRST == BOTTOM + LM_BLOCK_ALIGNMENT, "a block follows as it follows a record");
_Static_assert(offsetof(heap, bottom_end) == BOTTOM + offsetof(region, end), "the bottom's end");

typedef uint32_t __attribute__((may_alias)) word;

static inline heap *scope_heap(const lm_memory *memory) {
    return lm_at(memory, memory->heap_start);
}
static inline region *scope_region_at(const lm_memory *memory, uint32_t offset) {
    return lm_at(memory, offset);
}
static inline word *scope_tag(const lm_memory *memory, uint32_t block) {
    return lm_at(memory, block - LM_WORD_BYTES);
}
static inline uint32_t scope_bytes(const lm_memory *memory, uint32_t block) {
    return *scope_tag(memory, block) & ~(word)FLAGS;
}
static inline uint32_t scope_memory_end(const lm_memory *memory) { // modulo 2^32
    return (uint32_t)lm_memory_end(memory);
}
static inline uint32_t scope_first(const region *r) {
    return r->start + LM_BLOCK_ALIGNMENT;
}
static inline uint32_t scope_bottom(const lm_memory *memory) {
    return memory->heap_start + BOTTOM;
}

// Makes room for `bytes` at top.next: in the first idle region, or by growth, in a new region if
// foreign pages are between. Returns false, with nothing changed, if the growth is refused or other
// code grew the memory at the same time. All sizes are multiples of 16, and so is a region's
// record: a region of more than `bytes` has room for them.
static inline bool scope_make_room(lm_memory *memory, uint32_t bytes) {
    uint32_t at = memory->heap_start;
    heap *h = lm_at(memory, at);
    uint32_t start = h->idle, end = scope_region_at(memory, start)->end;
    if (end - start > bytes) {
        h->idle = scope_region_at(memory, start)->start;
        h->dirty = end;
    } else {
        uint32_t before = lm_memory_pages(memory), has = 0;
        start = before * LM_PAGE_BYTES;
        if (start == h->top.end) has = start - h->top.next + LM_BLOCK_ALIGNMENT;
        uint32_t pages = (bytes - has) / LM_PAGE_BYTES + 1;
        if (lm_memory_grow(memory, pages) != before) return false;
        end = start + pages * LM_PAGE_BYTES;
        h = lm_at(memory, at);
    }
    if (start != h->top.end) {
        region *record = scope_region_at(memory, start);
        record->next = h->top.next;
        record->end = h->top.end;
        record->start = h->top.start;
        h->top.start = start;
        h->top.next = start + LM_BLOCK_ALIGNMENT;
    }
    h->top.end = end;
    return true;
}

// Returns the offset of a live block. Level 1 checks its tag.
static inline uint32_t scope_live(const void *address, const lm_memory *memory) {
    uint32_t block = lm_offset(memory, address);
    LM_CHECK(lm_holds(memory, address) && block % LM_BLOCK_ALIGNMENT == 0);
    LM_CHECK(block >= memory->heap_start + FIRST);
#if LM_CHECK_LEVEL >= 1
    const region *top = &scope_heap(memory)->top;
    uint32_t bytes = scope_bytes(memory, block), first = scope_first(top);
    LM_CHECK((*scope_tag(memory, block) & FLAGS) == 0 && bytes != 0 &&
             bytes <= scope_memory_end(memory) - block);
    // In the current region blocks end at next.
    LM_CHECK(block - first >= top->end - first ||
             (block - first < top->next - first && bytes <= top->next - block));
#endif
    return block;
}

static bool scope_start(lm_memory *memory) {
    uint32_t at = memory->heap_start, pages = lm_memory_pages(memory);
    uint32_t last_page = (at / LM_BLOCK_ALIGNMENT + 1) / (LM_PAGE_BYTES / LM_BLOCK_ALIGNMENT);
    if (last_page >= pages && lm_memory_grow(memory, last_page - pages + 1) == LM_GROW_REFUSED)
        return false;
    heap *h = lm_at(memory, at);
    h->top.next = at + FIRST;
    h->top.end = h->dirty = scope_memory_end(memory);
    h->top.start = h->idle = h->bottom_end = at + BOTTOM;
    h->scope = 0;
    return true;
}

static void *scope_allocate(size_t size, lm_memory *memory);

// Separate, so that the common path through scope_allocate saves no registers.
static __attribute__((noinline)) void *scope_allocate_elsewhere(size_t size, lm_memory *memory) {
    return scope_make_room(memory, lm_block_bytes(size)) ? scope_allocate(size, memory) : NULL;
}

static void *scope_allocate(size_t size, lm_memory *memory) {
    if (LM_UNLIKELY(size > LM_SIZE_MAX)) return NULL;
    uint32_t bytes = lm_block_bytes(size);
    heap *h = scope_heap(memory);
    if (LM_UNLIKELY(bytes > h->top.end - h->top.next))
        return scope_allocate_elsewhere(size, memory);
    uint32_t block = h->top.next;
    *scope_tag(memory, block) = bytes;
    h->top.next = block + bytes;
    return lm_at(memory, block);
}

static inline void *scope_allocate_dirty(size_t size, size_t *dirty, lm_memory *memory) {
    void *block = scope_allocate(size, memory);
    uint32_t offset = lm_offset(memory, block), end = scope_heap(memory)->dirty;
    *dirty = end - 1 >= offset ? end - offset : 0; // an end of 2^32 is 0
    return block;
}

// Takes as much as the alignment may need, and gives back the bytes behind the block.
static void *scope_allocate_aligned(size_t alignment, size_t size, lm_memory *memory) {
    if (alignment <= LM_BLOCK_ALIGNMENT) return scope_allocate(size, memory);
    if (size > LM_SIZE_MAX - alignment) return NULL;
    void *room = scope_allocate(size + alignment - LM_BLOCK_ALIGNMENT, memory);
    if (!room) return NULL;
    uint32_t block = lm_offset(memory, room), bytes = lm_block_bytes(size);
    uint32_t skipped = -block & ((uint32_t)alignment - 1);
    if (skipped) *scope_tag(memory, block) = skipped | SKIPPED;
    block += skipped;
    *scope_tag(memory, block) = bytes;
    scope_heap(memory)->top.next = block + bytes;
    return lm_at(memory, block);
}

static void scope_free(void *address, size_t size, lm_memory *memory) {
    if (LM_CHECK_LEVEL == 0 || !address) return;
    uint32_t block = scope_live(address, memory);
    LM_CHECK(size <= scope_bytes(memory, block) - LM_WORD_BYTES);
    (void)size;
    *scope_tag(memory, block) |= FREED; // a second free traps
}

static size_t scope_usable_size(const void *address, lm_memory *memory) {
    return scope_bytes(memory, scope_live(address, memory)) - LM_WORD_BYTES;
}

static uint64_t scope_block_bytes_max(size_t size, size_t alignment) {
    (void)alignment;
    return lm_block_bytes(size);
}

// The last block is removed and placed again, at its own address if there is room or the region
// grows. The free bytes of the region then count as dirty.
static void *scope_resize_aligned(void *address, size_t size, size_t alignment, lm_memory *memory) {
    uint32_t block = scope_live(address, memory);
    heap *h = scope_heap(memory);
    uint32_t had = scope_bytes(memory, block), next = h->top.next;
    size_t kept = had - LM_WORD_BYTES;
    bool last = block + had == next;
    if (last) {
        h->dirty = h->top.end;
        h->top.next = block;
    } else if (kept - size <= kept / 2) { // not where size is larger: that wraps
        return address;
    }
    void *to = scope_allocate_aligned(alignment, size, memory), *from = lm_at(memory, block);
    if (!to) {
        scope_heap(memory)->top.next = next;
    } else if (to != from) {
        memcpy(to, from, kept < size ? kept : size);
        if (LM_CHECK_LEVEL >= 1)
            *scope_tag(memory, block) |= FREED; // also behind its region's last
    }
    return to;
}

LM_ZEROED_AND_RESIZE(scope)

// At check level 1: marks the blocks from `from` on as freed, since a block placed over them later
// may not overwrite their tags. O(1) amortised over the blocks.
static void scope_mark_freed(const lm_memory *memory, uint32_t from) {
    if (LM_CHECK_LEVEL == 0) return;
    for (uint32_t next = scope_heap(memory)->top.next; from != next;
         from += scope_bytes(memory, from))
        *scope_tag(memory, from) |= FREED;
}

// Makes the current region idle and the one below it current; its free bytes count as dirty.
static void scope_leave(lm_memory *memory) {
    heap *h = scope_heap(memory);
    uint32_t start = h->top.start, bytes = h->top.end - start, *link = &h->idle;
    while (scope_region_at(memory, *link)->end - *link > bytes)
        link = &scope_region_at(memory, *link)->start;
    scope_mark_freed(memory, scope_first(&h->top));
    region *record = scope_region_at(memory, start), below = *record;
    *record = (region){.end = h->top.end, .start = *link};
    *link = start;
    h->top = below;
    h->dirty = below.end;
}

// Goes back to the region that starts at `start` and to `next` in it: all blocks placed since then
// are freed.
static void scope_go_back(lm_memory *memory, uint32_t start, uint32_t next) {
    heap *h = scope_heap(memory);
    while (h->top.start != start)
        scope_leave(memory);
    if (h->dirty - 1 < h->top.next - 1) h->dirty = h->top.next;
    scope_mark_freed(memory, next);
    h->top.next = next;
}

// A scope's record, in a block of its own.
typedef struct record {
    uint32_t outer; // the enclosing scope's record, or 0
    uint32_t start; // the current region when it was opened; the record may lie in the next
    uint32_t next;  // as it was
} record;

static inline record *scope_record_at(const lm_memory *memory, uint32_t offset) {
    return lm_at(memory, offset);
}

static bool scope_open(lm_memory *memory) {
    const heap *h = scope_heap(memory);
    record r = {h->scope, h->top.start, h->top.next};
    void *block = scope_allocate(sizeof r, memory);
    if (!block) return false;
    uint32_t offset = lm_offset(memory, block);
    *scope_tag(memory, offset) |= RECORD;
    *scope_record_at(memory, offset) = r;
    scope_heap(memory)->scope = offset;
    return true;
}

static void scope_close(lm_memory *memory) {
    heap *h = scope_heap(memory);
    LM_CHECK(h->scope != 0);
    if (!h->scope) return; // misuse, and nothing to go back to
    LM_CHECK(*scope_tag(memory, h->scope) & RECORD);
    const record r = *scope_record_at(memory, h->scope);
    h->scope = r.outer;
    scope_go_back(memory, r.start, r.next);
}

static void scope_reset(lm_memory *memory) {
    uint32_t bottom = scope_bottom(memory);
    scope_heap(memory)->scope = 0;
    scope_go_back(memory, bottom, bottom + LM_BLOCK_ALIGNMENT);
}

// Checks a region, from its first block to `next`. Returns the broken law or NULL.
static const char *scope_region_law(const lm_memory *memory, const region *r, lm_census *census) {
    uint32_t bottom = scope_bottom(memory), first = scope_first(r);
    if (r->start != bottom && (r->start % LM_PAGE_BYTES || r->start < bottom)) return "regions";
    uint64_t end = r->start + (uint64_t)(uint32_t)(r->end - r->start);
    if (end % LM_PAGE_BYTES || end == r->start || end > lm_memory_end(memory)) return "regions";
    if (r->next - first > r->end - first || r->next % LM_BLOCK_ALIGNMENT) return "next in region";
    for (uint32_t block = first, bytes; block != r->next; block += bytes) {
        bytes = scope_bytes(memory, block);
        if (bytes == 0 || bytes > r->next - block) return "block in region";
        if (*scope_tag(memory, block) & (SKIPPED | RECORD)) continue;
        census->live_blocks++;
        census->live_bytes += bytes;
    }
    census->heap_bytes += end - r->start;
    return NULL;
}

// Checks the idle regions and adds them to the census.
static const char *scope_idle_law(const lm_memory *memory, uint32_t most, lm_census *census) {
    uint32_t bottom = scope_bottom(memory), bytes = UINT32_MAX;
    for (uint32_t at = scope_heap(memory)->idle; at != bottom;
         at = scope_region_at(memory, at)->start) {
        if (most-- == 0 || at % LM_PAGE_BYTES || at >= lm_memory_end(memory)) return "regions";
        region r = {at + LM_BLOCK_ALIGNMENT, scope_region_at(memory, at)->end, at};
        const char *broken = scope_region_law(memory, &r, census);
        if (broken) return broken;
        if (r.end - at > bytes) return "idle regions";
        bytes = r.end - at;
    }
    return NULL;
}

// Checks the open scopes, from the innermost on.
static const char *scope_scopes_law(const lm_memory *memory) {
    uint64_t end = lm_memory_end(memory);
    uint32_t most = (uint32_t)(end / LM_BLOCK_ALIGNMENT);
    for (uint32_t at = scope_heap(memory)->scope; at; at = scope_record_at(memory, at)->outer)
        if (at % LM_BLOCK_ALIGNMENT || at < memory->heap_start + FIRST || at >= end ||
            !(*scope_tag(memory, at) & RECORD) || !most--)
            return "scopes";
    return NULL;
}

static const char *scope_validate(lm_memory *memory, lm_census *census) {
    const heap *h = scope_heap(memory);
    lm_census seen = {.heap_bytes = BOTTOM};
    uint32_t bottom = scope_bottom(memory), most = lm_memory_pages(memory);
    const char *broken = scope_region_law(memory, &h->top, &seen);
    for (uint32_t at = h->top.start; at != bottom && !broken;
         at = scope_region_at(memory, at)->start)
        broken = most-- ? scope_region_law(memory, scope_region_at(memory, at), &seen) : "regions";
    if (!broken) broken = scope_idle_law(memory, lm_memory_pages(memory), &seen);
    if (!broken) broken = scope_scopes_law(memory);
    if (!broken && census) *census = seen;
    return broken;
}

static uint64_t scope_heap_bytes_max(const lm_demand *demand) {
    uint64_t region = demand->spent_bytes + demand->block_bytes + demand->alignment, regions = 1;
    if (demand->foreign_growths)
        regions += demand->foreign_growths + demand->block_bytes / LM_PAGE_BYTES + 1;
    return regions * lm_heap_bytes(region, 2 * FIRST);
}

LM_STRATEGY(scope, scope, .idea = "a bump allocator whose scopes open and close",
            .bound = "S + n for all S bytes asked for in the open scopes",
            .capabilities = LM_BOUNDED_SEARCH | LM_RESIZES_IN_PLACE | LM_IN_LINEAR_MEMORY |
                            LM_HOLDS_CONTENT | LM_NESTS_SCOPES,
            .allocate_dirty = scope_allocate_dirty, .heap_bytes_max = scope_heap_bytes_max,
            .open_scope = scope_open, .close_scope = scope_close);
