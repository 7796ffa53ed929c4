// An arena: blocks laid one behind the other, none freed alone. What bump and scope share.
//
// Layout: a block is known by the offset of its payload from the heap, a multiple of 16; the word
// before it, its tag, holds its bytes up to the next payload. A resize must know how much to copy
// and whether the block is the last: without the tag it could know neither. The tags also make a
// region a chain that can be walked. The heap's memory is one region, and one more for each time
// that somebody else has grown the memory between two of our growths. Offsets are modulo 2^32, as a
// region may end there.
//
//     [heap][region][tag] block [tag] block ... | ...... | zero ......
//     heap_start   FIRST                        next     clean        end
//
//     [heap][region][tag] block ...   foreign   [region][tag] block ...
//               \______________ link ______________/
//
// Regions in use are a stack, the current one on top; idle ones are a list. What lies behind both
// `next` and `clean` no one has written since our growth brought it. What an alignment skips is a
// block that is never handed out.
//
// Laws (validate's names):
//     regions         each ends with a page within the memory and holds its first block's tag
//     next in region  a region's blocks end in it
//     block in region every block has at least 16 bytes, and the chain ends where it should
//     scopes          open scopes are nested, the innermost one below next (scope's)
#pragma once

#include "alloc/strategies/strategy.h"

enum { SKIPPED = 1, FREED = 2, RECORD = 4, FLAGS = LM_BLOCK_ALIGNMENT - 1 };

// Before a region's first tag. Of the current one, `end` and `used` are the heap's own.
typedef struct region {
    uint32_t link; // the one below in the stack, or the next idle one; 0: none
    uint32_t end;
    uint32_t used; // where its blocks end
} region;

typedef struct heap {
    uint32_t next, end;
    uint32_t current; // the region's first block
    uint32_t clean;
    uint32_t idle;
    uint32_t scope; // the innermost open one's record; 0: none
    uint32_t padding[2];
    region bottom;
    uint32_t bottom_tag;
} heap;

enum { FIRST = sizeof(heap) };
_Static_assert(FIRST % LM_BLOCK_ALIGNMENT == 0, "the first block follows");

typedef uint32_t __attribute__((may_alias)) word;

static inline heap *heap_of(const lm_memory *memory) {
    return lm_at(memory, memory->heap_start);
}
static inline void *address_of(heap *h, uint32_t offset) {
    return (unsigned char *)h + offset;
}
static inline word *tag(heap *h, uint32_t block) {
    return address_of(h, block - LM_WORD_BYTES);
}
static inline uint32_t bytes_of(heap *h, uint32_t block) {
    return *tag(h, block) & ~(word)FLAGS;
}
static inline region *region_of(heap *h, uint32_t first) {
    return address_of(h, first - LM_BLOCK_ALIGNMENT);
}
static inline uint32_t memory_end(const lm_memory *memory) { // from the heap, modulo 2^32
    return (uint32_t)lm_memory_end(memory) - memory->heap_start;
}

static void leave_current(heap *h) {
    region_of(h, h->current)->end = h->end;
    region_of(h, h->current)->used = h->next;
}

// Whether an offset may be a block's.
static inline bool holds(const lm_memory *memory, uint32_t block) {
    return block - FIRST < memory_end(memory) - FIRST;
}

// Puts a region on the stack, empty. From `clean` on it is zero.
static void enter(heap *h, uint32_t first, uint32_t end, uint32_t clean) {
    region_of(h, first)->link = h->current;
    h->current = h->next = first;
    h->end = end;
    h->clean = clean;
}

// Grows the current region, or enters a new one where somebody else's pages lie between.
static bool grow(lm_memory *memory, uint32_t bytes) {
    heap *h = heap_of(memory);
    uint64_t missing = (uint64_t)bytes + LM_BLOCK_ALIGNMENT;
    if (memory_end(memory) == h->end) missing = bytes - (h->end - h->next);
    uint32_t pages = (uint32_t)((missing + LM_PAGE_BYTES - 1) / LM_PAGE_BYTES);
    uint32_t before = lm_memory_grow(memory, pages);
    if (before == LM_GROW_REFUSED) return false;
    uint32_t start = before * LM_PAGE_BYTES - memory->heap_start; // modulo 2^32
    h = heap_of(memory);
    uint32_t end = start + pages * LM_PAGE_BYTES, first = start + LM_BLOCK_ALIGNMENT;
    if (start != h->end) {
        leave_current(h);
        enter(h, first, end, first);
    }
    h->end = end;
    return true;
}

// Makes room for `bytes` at `next`: in an idle region, or by growth. False: refused, and nothing
// has changed.
static __attribute__((noinline)) bool make_room(lm_memory *memory, uint32_t bytes) {
    heap *h = heap_of(memory);
    for (uint32_t *link = &h->idle, first; (first = *link) != 0;) {
        region *r = region_of(h, first);
        if (r->end - first >= bytes) {
            *link = r->link;
            leave_current(h);
            enter(h, first, r->end, r->end);
            return true;
        }
        link = &r->link;
    }
    return grow(memory, bytes);
}

static inline uint32_t append(heap *h, uint32_t bytes) {
    uint32_t block = h->next;
    *tag(h, block) = bytes;
    h->next = block + bytes;
    return block;
}

// The offset of a block that the caller says is live.
static inline uint32_t live(const void *address, const lm_memory *memory) {
    heap *h = heap_of(memory);
    uint32_t block = (uint32_t)((uintptr_t)address - (uintptr_t)h);
    LM_CHECK(lm_holds(memory, address) && block % LM_BLOCK_ALIGNMENT == 0);
    LM_CHECK(holds(memory, block));
    uint32_t bytes = bytes_of(h, block), in_current = block - h->current;
    LM_CHECK((*tag(h, block) & FLAGS) == 0 && bytes != 0 && bytes <= memory_end(memory) - block);
    // In the current region blocks end at next: what a closed scope held there is no block.
    LM_CHECK(in_current >= h->end - h->current ||
             (in_current < h->next - h->current && bytes <= h->next - block));
    (void)bytes, (void)in_current;
    return block;
}

static bool start(lm_memory *memory) {
    if (!lm_reach(memory, (uint64_t)memory->heap_start + FIRST)) return false;
    heap *h = heap_of(memory);
    memset(h, 0, sizeof *h);
    h->end = h->clean = memory_end(memory);
    h->current = h->next = FIRST;
    return true;
}

static void *allocate(size_t size, lm_memory *memory) {
    if (LM_UNLIKELY(size > LM_SIZE_MAX)) return NULL;
    uint32_t bytes = lm_block_bytes(size);
    heap *h = heap_of(memory);
    if (LM_UNLIKELY(bytes > h->end - h->next)) {
        if (!make_room(memory, bytes)) return NULL;
        h = heap_of(memory);
    }
    return address_of(h, append(h, bytes));
}

// Bytes of what begins at `block` that may not be zero.
static uint32_t dirty_from(const heap *h, uint32_t block) {
    return h->clean - h->current > block - h->current ? h->clean - block : 0;
}

static void *allocate_zeroed(size_t size, lm_memory *memory) {
    void *block = allocate(size, memory);
    if (!block) return NULL;
    heap *h = heap_of(memory);
    uint32_t dirty = dirty_from(h, (uint32_t)((uintptr_t)block - (uintptr_t)h));
    return memset(block, 0, size < dirty ? size : dirty);
}

static void *allocate_aligned(size_t alignment, size_t size, lm_memory *memory) {
    if (alignment <= LM_BLOCK_ALIGNMENT) return allocate(size, memory);
    if (size > LM_SIZE_MAX - alignment) return NULL;
    uint32_t bytes = lm_block_bytes(size), step = (uint32_t)alignment;
    heap *h = heap_of(memory);
    if (bytes + step - LM_BLOCK_ALIGNMENT > h->end - h->next) {
        if (!make_room(memory, bytes + step - LM_BLOCK_ALIGNMENT)) return NULL;
        h = heap_of(memory);
    }
    uint32_t skipped = -(uint32_t)(uintptr_t)address_of(h, h->next) & (step - 1);
    if (skipped) *tag(h, append(h, skipped)) |= SKIPPED;
    return address_of(h, append(h, bytes));
}

static void release_block(void *address, size_t size, lm_memory *memory) {
    if (LM_CHECK_LEVEL == 0 || !address) return;
    uint32_t block = live(address, memory);
    LM_CHECK(size <= bytes_of(heap_of(memory), block) - LM_WORD_BYTES);
    (void)size;
    *tag(heap_of(memory), block) |= FREED; // for the second free to trap
}

static size_t usable_size(const void *address, lm_memory *memory) {
    return bytes_of(heap_of(memory), live(address, memory)) - LM_WORD_BYTES;
}

static uint64_t block_bytes_max(size_t size, size_t alignment) {
    (void)alignment;
    return lm_block_bytes(size);
}

// The last block is taken back and laid again, where it lies if there is room or the region grows.
static void *resize_aligned(void *address, size_t size, size_t alignment, lm_memory *memory) {
    uint32_t block = live(address, memory);
    heap *h = heap_of(memory);
    uint32_t had = bytes_of(h, block), next = h->next;
    size_t kept = had - LM_WORD_BYTES;
    bool last = block + had == next;
    if (last) {
        if (h->clean - h->current < next - h->current) h->clean = next;
        h->next = block;
    } else if (size <= kept && size >= kept / 2) {
        return address;
    }
    void *to = allocate_aligned(alignment, size, memory);
    h = heap_of(memory);
    void *from = address_of(h, block);
    if (!to) {
        if (last) h->next = next;
    } else if (to != from) {
        memcpy(to, from, kept < size ? kept : size);
        if (LM_CHECK_LEVEL >= 1) *tag(h, block) |= FREED; // also behind its region's last block
    }
    return to;
}

static void *resize(void *address, size_t size, lm_memory *memory) {
    return resize_aligned(address, size, LM_BLOCK_ALIGNMENT, memory);
}

// At check level 1, no block from `from` on looks live any more: what is laid over it later may
// leave its tag as it is. O(1) amortised over the blocks.
static void mark_freed(heap *h, uint32_t from) {
    if (LM_CHECK_LEVEL == 0) return;
    for (uint32_t block = from; block != h->next; block += bytes_of(h, block))
        *tag(h, block) |= FREED;
}

// The current region becomes idle, and the one below it current again; what lies behind its blocks
// counts as dirty.
static void leave(heap *h) {
    uint32_t first = h->current;
    region *r = region_of(h, first);
    mark_freed(h, first);
    h->current = r->link;
    *r = (region){.link = h->idle, .end = h->end, .used = first};
    h->idle = first;
    const region *below = region_of(h, h->current);
    h->next = below->used;
    h->end = h->clean = below->end;
}

// Goes back to where `next` was when `region` was the current one. All that was laid since is gone.
static void go_back(heap *h, uint32_t region, uint32_t next) {
    while (h->current != region)
        leave(h);
    if (h->clean - region < h->next - region) h->clean = h->next;
    mark_freed(h, next);
    h->next = next;
}

static void reset(lm_memory *memory) {
    heap *h = heap_of(memory);
    h->scope = 0;
    go_back(h, FIRST, FIRST);
}

// What the including file defines: NULL where its open scopes are right.
static const char *scopes_law(lm_memory *memory);

// Walks a region's blocks, from its first one to where they end.
static const char *region_law(heap *h, uint32_t first, uint32_t used, uint32_t end,
                              lm_census *census) {
    if (used - first > end - first || used % LM_BLOCK_ALIGNMENT) return "next in region";
    for (uint32_t block = first; block != used; block += bytes_of(h, block)) {
        uint32_t own = *tag(h, block), bytes = bytes_of(h, block);
        if (bytes == 0 || bytes > used - block) return "block in region";
        if (own & (SKIPPED | RECORD)) continue;
        census->live_blocks++;
        census->live_bytes += bytes;
    }
    return NULL;
}

// A list of regions, idle ones or those in use from the current one down, adding up what they hold.
static const char *regions_law(lm_memory *memory, uint32_t first, bool in_use, lm_census *census) {
    heap *h = heap_of(memory);
    for (uint32_t most = lm_memory_pages(memory); first; first = region_of(h, first)->link) {
        if (first % LM_BLOCK_ALIGNMENT || first - FIRST > memory_end(memory) - FIRST)
            return "regions"; // one without room for a block may begin at the end
        const region *r = region_of(h, first);
        bool current = first == h->current;
        uint64_t bytes = (uint32_t)((current ? h->end : r->end) - first);
        uint64_t end = memory->heap_start + first + bytes;
        if (most-- == 0 || end % LM_PAGE_BYTES != 0 || end > lm_memory_end(memory))
            return "regions";
        uint32_t used = !in_use ? first : current ? h->next : r->used;
        const char *broken = region_law(h, first, used, (uint32_t)(first + bytes), census);
        if (broken) return broken;
        census->heap_bytes += bytes + (first == FIRST ? FIRST : LM_BLOCK_ALIGNMENT);
    }
    return NULL;
}

static const char *validate(lm_memory *memory, lm_census *census) {
    heap *h = heap_of(memory);
    lm_census seen = {0};
    const char *broken = regions_law(memory, h->current, true, &seen);
    if (!broken) broken = regions_law(memory, h->idle, false, &seen);
    if (!broken) broken = scopes_law(memory);
    if (!broken && census) *census = seen;
    return broken;
}
