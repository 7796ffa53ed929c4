// bump: each block begins where the last one ended.
//
// Idea: nothing is searched, merged or freed; the whole heap is freed at once. This is the smallest
// allocator that satisfies the contract: on wasm32 start, allocate, resize and free take 347 bytes
// of code.
//
// Source: the regions of Hanson, "Fast allocation and deallocation of memory based on object
// lifetimes" (1990).
//
// Layout: the word before a block, its tag, holds its bytes up to the next block; resize needs them
// to know how much to copy and whether the block is the last. The heap is one region, and one more
// for each time that other code has grown the memory between two of our growths. A region begins
// with 12 bytes that describe the region before it, and the heap with those of the current one: a
// stack. Offsets are those of the memory, modulo 2^32, as a region may end there. The bytes that an
// alignment skips are a block that is never returned.
//
//     [heap][tag] block [tag] block | left    foreign    [left][tag] block [tag] block | free
//                                   ^left.next           ^heap.start                   ^heap.next
//
// Only its result tells where a growth begins. So each growth has room for a region of its own; if
// it continues the current region, that region is extended.
//
// Memory that another growth cuts off is given up, to keep the code small: the rest of the region
// at once, all of it at reset, which returns to the start of the current region. scope keeps such
// regions, in 571 bytes.
//
// Laws (validate's names):
//     regions         each begins and ends with a page within the memory, above the one before it
//     next in region  a region's blocks end in it
//     block in region each block has at least 16 bytes, and the chain ends where it should
//
// Time: allocate O(1), and one growth if the region is full; free O(1), it does nothing; resize
// O(1) for the last block, else O(size); reset O(regions); validate O(blocks).
// Space: 4 bytes a block, rounded up to 16; 16 bytes for the heap and for each further region.
//
// Bound: S + n for the S bytes asked for since the last reset, resizes included, and the largest
// request n. There is no bound in terms of live bytes. Each growth by other code may give up as
// much again.
//
// Good at: time, if all blocks die at once; code size. Bad at: blocks that outlive the others, and
// a memory that other code often grows.
#include "alloc/strategies/strategy.h"

enum { SKIPPED = 1, FREED = 2, FLAGS = LM_BLOCK_ALIGNMENT - 1 };

typedef uint32_t __attribute__((may_alias)) word;

typedef struct region {
    uint32_t next; // of the next block
    struct {
        uint32_t end, start;
    } is; // its extent; one struct, as they are copied together
    uint32_t first_tag;
} region;

enum { FIRST = sizeof(region) };
_Static_assert(sizeof(region) == LM_BLOCK_ALIGNMENT, "the heap's own bytes lie in one page");

static inline region *bump_region_at(const lm_memory *memory, uint32_t offset) {
    return lm_at(memory, offset);
}
static inline region *bump_current(const lm_memory *memory) {
    return bump_region_at(memory, memory->heap_start);
}
static inline word *bump_tag(const lm_memory *memory, uint32_t block) {
    return lm_at(memory, block - LM_WORD_BYTES);
}
static inline uint32_t bump_bytes(const lm_memory *memory, uint32_t block) {
    return *bump_tag(memory, block) & ~(word)FLAGS;
}
static inline uint32_t bump_first(const region *r) {
    return r->is.start + FIRST;
}

// Returns the offset of a live block. Level 1 checks its tag.
static inline uint32_t bump_live(const void *address, const lm_memory *memory) {
    uint32_t block = lm_offset(memory, address);
    LM_CHECK(lm_holds(memory, address) && block % LM_BLOCK_ALIGNMENT == 0);
    LM_CHECK(block >= memory->heap_start + FIRST);
#if LM_CHECK_LEVEL >= 1
    const region *r = bump_current(memory);
    uint32_t bytes = bump_bytes(memory, block), first = bump_first(r);
    LM_CHECK((*bump_tag(memory, block) & FLAGS) == 0 && bytes != 0 &&
             bytes <= lm_memory_end(memory) - block);
    // In the current region blocks end at next.
    LM_CHECK(block - first >= r->is.end - first ||
             (block - first < r->next - first && bytes <= r->next - block));
#endif
    return block;
}

static bool bump_start(lm_memory *memory) {
    uint32_t at = memory->heap_start;
    int32_t missing = (int32_t)(at / LM_PAGE_BYTES + 1 - lm_memory_pages(memory));
    if (missing > 0 && lm_memory_grow(memory, (uint32_t)missing) == LM_GROW_REFUSED) return false;
    region *r = bump_current(memory);
    r->next = at + FIRST;
    r->is.end = (uint32_t)lm_memory_end(memory);
    r->is.start = at;
    return true;
}

// Grows the memory by a region with room for `bytes`, and moves `next` there unless it continues
// the current one. Returns false, with nothing changed, if refused. Cold, so that bump_lay is small
// enough to be inlined.
static __attribute__((cold)) bool bump_grow(uint32_t bytes, uint32_t *next, uint32_t heap,
                                            lm_memory *memory) {
    uint32_t pages = bytes / LM_PAGE_BYTES + 1, before = lm_memory_grow(memory, pages);
    if (before == LM_GROW_REFUSED) return false;
    uint32_t at = before * LM_PAGE_BYTES;
    region *r = bump_region_at(memory, heap);
    if (at != r->is.end) {
        region *left = bump_region_at(memory, at);
        left->next = *next;
        left->is = r->is;
        r->is.start = at;
        *next = at + FIRST;
    }
    r->is.end = at + pages * LM_PAGE_BYTES;
    return true;
}

// Places a block at `next` in the current region, or in memory that a growth adds. Returns NULL,
// with nothing changed, if out of memory.
static inline void *bump_lay(size_t size, uint32_t next, lm_memory *memory) {
    uint32_t heap = memory->heap_start, bytes = lm_block_bytes(size);
    bytes |= -(uint32_t)(size > LM_SIZE_MAX); // too large for any room or growth
    if (LM_UNLIKELY(bytes > bump_region_at(memory, heap)->is.end - next)) {
        uint32_t begin = next;
        if (!bump_grow(bytes, &begin, heap, memory)) return NULL;
        next = begin;
    }
    bump_region_at(memory, heap)->next = next + bytes;
    *bump_tag(memory, next) = bytes;
    return lm_at(memory, next);
}

// Takes as much as the alignment may need, and gives back the bytes behind the block.
static void *bump_lay_aligned(size_t alignment, size_t size, uint32_t next, lm_memory *memory) {
    if (alignment <= LM_BLOCK_ALIGNMENT) return bump_lay(size, next, memory);
    if (size > LM_SIZE_MAX - alignment) return NULL;
    void *room = bump_lay(size + alignment - LM_BLOCK_ALIGNMENT, next, memory);
    if (!room) return NULL;
    uint32_t block = lm_offset(memory, room), bytes = lm_block_bytes(size);
    uint32_t skipped = -block & ((uint32_t)alignment - 1);
    if (skipped) *bump_tag(memory, block) = skipped | SKIPPED;
    block += skipped;
    *bump_tag(memory, block) = bytes;
    bump_current(memory)->next = block + bytes;
    return lm_at(memory, block);
}

static void *bump_allocate(size_t size, lm_memory *memory) {
    return bump_lay(size, bump_current(memory)->next, memory);
}

static void *bump_allocate_aligned(size_t alignment, size_t size, lm_memory *memory) {
    return bump_lay_aligned(alignment, size, bump_current(memory)->next, memory);
}

// Memory that the allocation itself has added is zero.
static inline void *bump_allocate_dirty(size_t size, size_t *dirty, lm_memory *memory) {
    uint64_t end = lm_memory_end(memory);
    void *block = bump_allocate(size, memory);
    uint32_t offset = lm_offset(memory, block);
    *dirty = end > offset ? (size_t)(end - offset) : 0;
    return block;
}

static void bump_free(void *address, size_t size, lm_memory *memory) {
    if (LM_CHECK_LEVEL == 0 || !address) return;
    uint32_t block = bump_live(address, memory);
    LM_CHECK(size <= bump_bytes(memory, block) - LM_WORD_BYTES);
    (void)size;
    *bump_tag(memory, block) |= FREED; // a second free traps
}

static size_t bump_usable_size(const void *address, lm_memory *memory) {
    return *bump_tag(memory, bump_live(address, memory)) - LM_WORD_BYTES;
}

static uint64_t bump_block_bytes_max(size_t size, size_t alignment) {
    (void)alignment;
    return lm_block_bytes(size);
}

// The last block is placed again, at its own address if there is room or the region grows.
static void *bump_resize_aligned(void *address, size_t size, size_t alignment, lm_memory *memory) {
    uint32_t block = bump_live(address, memory), had = *bump_tag(memory, block),
             next = bump_current(memory)->next;
    size_t kept = had - LM_WORD_BYTES;
    if (block + had == next)
        next = block;
    else if (kept - size <= kept / 2) // not where size is larger: that wraps
        return address;
    void *to = bump_lay_aligned(alignment, size, next, memory), *from = lm_at(memory, block);
    if (to && to != from) {
        memcpy(to, from, kept < size ? kept : size);
        if (LM_CHECK_LEVEL >= 1) *bump_tag(memory, block) |= FREED;
    }
    return to;
}

LM_ZEROED_AND_RESIZE(bump)

// At check level 1: marks the blocks of a region as freed, since a block placed over them later may
// not overwrite their tags. O(blocks).
static void bump_mark_freed(const lm_memory *memory, const region *r) {
    if (LM_CHECK_LEVEL == 0) return;
    for (uint32_t block = bump_first(r); block != r->next; block += bump_bytes(memory, block))
        *bump_tag(memory, block) |= FREED;
}

static void bump_reset(lm_memory *memory) {
    region *r = bump_current(memory);
    for (;; r = bump_region_at(memory, r->is.start)) {
        bump_mark_freed(memory, r);
        r->next = bump_first(r);
        if (r->is.start == memory->heap_start) return;
    }
}

// Checks a region, from its first block to `next`. Returns the broken law or NULL.
static const char *bump_region_law(const lm_memory *memory, const region *r, lm_census *census) {
    uint32_t at = r->is.start, first = bump_first(r);
    if (at != memory->heap_start && (at % LM_PAGE_BYTES || at < memory->heap_start))
        return "regions";
    uint64_t end = at + (uint64_t)(uint32_t)(r->is.end - at);
    if (end % LM_PAGE_BYTES || end == at || end > lm_memory_end(memory)) return "regions";
    if (r->next - first > r->is.end - first || r->next % LM_BLOCK_ALIGNMENT)
        return "next in region";
    for (uint32_t block = first, bytes; block != r->next; block += bytes) {
        bytes = bump_bytes(memory, block);
        if (bytes == 0 || bytes > r->next - block) return "block in region";
        if (*bump_tag(memory, block) & SKIPPED) continue;
        census->live_blocks++;
        census->live_bytes += bytes;
    }
    census->heap_bytes += end - at;
    return NULL;
}

static const char *bump_validate(lm_memory *memory, lm_census *census) {
    const region *r = bump_current(memory);
    lm_census seen = {0};
    const char *broken = bump_region_law(memory, r, &seen);
    while (!broken && r->is.start != memory->heap_start) {
        uint32_t above = r->is.start;
        r = bump_region_at(memory, above);
        broken = r->is.start < above ? bump_region_law(memory, r, &seen) : "regions";
    }
    if (!broken && census) *census = seen;
    return broken;
}

static uint64_t bump_heap_bytes_max(const lm_demand *demand) {
    uint64_t region = demand->spent_bytes + demand->block_bytes + demand->alignment;
    uint64_t regions = demand->foreign_growths + 1;
    return regions * lm_heap_bytes(region, 2 * FIRST);
}

LM_STRATEGY(bump, bump, .idea = "each block behind the last one; all are freed at once",
            .bound = "S + n for all S bytes asked for since the last reset",
            .capabilities = LM_BOUNDED_SEARCH | LM_RESIZES_IN_PLACE | LM_IN_LINEAR_MEMORY |
                            LM_HOLDS_CONTENT,
            .allocate_dirty = bump_allocate_dirty, .heap_bytes_max = bump_heap_bytes_max);
