// bump: the next block begins where the last one ended.
//
// Idea: nothing is searched, merged or freed; a whole heap is thrown away at once. The region of
// Hanson, "Fast allocation and deallocation of memory based on object lifetimes" (1990), and the
// arena of every compiler.
//
// Layout: a block is known by the offset of its payload, a multiple of 16; the word before it, its
// tag, holds its bytes up to the next payload. A resize must know how much to copy and whether the
// block is the last: without the tag it could know neither. The tags also make the heap a chain
// that can be walked. The heap's memory is a list of regions, one only unless somebody else grows
// the memory between two of our growths. All offsets are modulo 2^32, as a region may end there.
//
//     [control][region][tag] block [tag] block ...           (unused)
//     heap_start             16 bytes on              next           end
//
//     [control][region][tag] block ... end   foreign   [region][tag] block ...
//                 \____________________________________/
//
// What an alignment skips belongs to no one: it is a block that is never handed out.
//
// Laws (validate's names):
//     regions         each begins behind the one before, and ends with a page of the memory
//     next in region  the next block begins in the current region
//     block in region every block has at least 16 bytes and ends at its region's end or before
//     used            a region's blocks end where its record says, the current one's at next
//
// Costs: allocate O(1), and growth where the region is used up; regions that a reset has left are
// passed once each. Free O(1): it does nothing. Resize O(1) for the last block and for what fits,
// else O(size). Reset O(1). Validate O(blocks). 4 bytes a block, rounded up to 16.
//
// Bound: none. The heap is the sum of all requests since the last reset.
//
// Good at: time, where everything dies at once. Bad at: everything that lives on.
#include "alloc/strategies/strategy.h"

enum { SKIPPED = 1, FREED = 2, FLAGS = LM_BLOCK_ALIGNMENT - 1 };

// A region's first 12 bytes; the tag of its first block follows.
typedef struct region {
    uint32_t end;
    uint32_t following; // 0: the last one
    uint32_t used;      // where its blocks end; not kept for the current region
} region;

typedef struct control {
    uint32_t next;
    uint32_t current; // a region
    uint32_t padding[2];
} control;

_Static_assert(sizeof(control) == LM_BLOCK_ALIGNMENT, "the first region follows at 16");
_Static_assert(sizeof(region) + LM_WORD_BYTES == LM_BLOCK_ALIGNMENT, "its first block 16 further");

typedef uint32_t __attribute__((may_alias)) word;

static inline control *control_of(const lm_memory *memory) {
    return lm_at(memory, memory->heap_start);
}
static inline region *region_at(const lm_memory *memory, uint32_t offset) {
    return lm_at(memory, offset);
}
static inline uint32_t first_region(const lm_memory *memory) {
    return memory->heap_start + (uint32_t)sizeof(control);
}
static inline word *tag(const lm_memory *memory, uint32_t block) {
    return lm_at(memory, block - LM_WORD_BYTES);
}
static inline uint32_t bytes_of(const lm_memory *memory, uint32_t block) {
    return *tag(memory, block) & ~(word)FLAGS;
}
static inline uint32_t room(const lm_memory *memory) {
    const control *c = control_of(memory);
    return region_at(memory, c->current)->end - c->next;
}

static void enter(lm_memory *memory, uint32_t offset) {
    control *c = control_of(memory);
    c->current = offset;
    c->next = offset + LM_BLOCK_ALIGNMENT;
}

// Makes room for `bytes` at next by growth: of the current region, or in a new one that is entered.
static bool grow(lm_memory *memory, uint32_t bytes) {
    control *c = control_of(memory);
    region *r = region_at(memory, c->current);
    uint64_t missing = (uint64_t)bytes + LM_BLOCK_ALIGNMENT;
    if ((uint32_t)lm_memory_end(memory) == r->end) missing = bytes - room(memory);
    uint32_t pages = (uint32_t)((missing + LM_PAGE_BYTES - 1) / LM_PAGE_BYTES);
    uint32_t before = lm_memory_grow(memory, pages);
    if (before == LM_GROW_REFUSED) return false;
    uint32_t start = (uint32_t)((uint64_t)before * LM_PAGE_BYTES);
    uint32_t end = (uint32_t)lm_memory_end(memory);
    c = control_of(memory);
    r = region_at(memory, c->current);
    if (start == r->end) {
        r->end = end;
        return true;
    }
    r->used = c->next;
    r->following = start;
    *region_at(memory, start) = (region){.end = end};
    enter(memory, start);
    return true;
}

// Makes room in a region that a reset has left behind the current one, or by growth. Where neither
// can be had, the heap is as it was.
static __attribute__((noinline, cold)) bool make_room(lm_memory *memory, uint32_t bytes) {
    control before = *control_of(memory);
    for (uint32_t following;
         (following = region_at(memory, control_of(memory)->current)->following) != 0;) {
        region_at(memory, control_of(memory)->current)->used = control_of(memory)->next;
        enter(memory, following);
        if (room(memory) >= bytes) return true;
    }
    if (grow(memory, bytes)) return true;
    *control_of(memory) = before;
    return false;
}

static inline uint32_t append(lm_memory *memory, uint32_t bytes) {
    control *c = control_of(memory);
    uint32_t block = c->next;
    *tag(memory, block) = bytes;
    c->next = block + bytes;
    return block;
}

static inline uint32_t live(const void *address, const lm_memory *memory) {
    uint32_t block = lm_offset(memory, address);
    LM_CHECK(lm_holds(memory, address) && block % LM_BLOCK_ALIGNMENT == 0);
    LM_CHECK(block >= first_region(memory) + LM_BLOCK_ALIGNMENT);
    LM_CHECK(bytes_of(memory, block) != 0 && (*tag(memory, block) & FLAGS) == 0);
    LM_CHECK(bytes_of(memory, block) <= lm_memory_end(memory) - block);
    return block;
}

static bool start(lm_memory *memory) {
    uint32_t first = first_region(memory);
    if (!lm_reach(memory, (uint64_t)memory->heap_start + sizeof(control) + LM_BLOCK_ALIGNMENT))
        return false;
    *control_of(memory) = (control){0};
    *region_at(memory, first) = (region){.end = (uint32_t)lm_memory_end(memory)};
    enter(memory, first);
    return true;
}

static void *allocate(size_t size, lm_memory *memory) {
    if (LM_UNLIKELY(size > LM_SIZE_MAX)) return NULL;
    uint32_t bytes = lm_block_bytes(size);
    if (LM_UNLIKELY(bytes > room(memory)) && !make_room(memory, bytes)) return NULL;
    return lm_at(memory, append(memory, bytes));
}

static void *allocate_zeroed(size_t size, lm_memory *memory) {
    return lm_zero(allocate(size, memory), size);
}

static void *allocate_aligned(size_t alignment, size_t size, lm_memory *memory) {
    if (alignment <= LM_BLOCK_ALIGNMENT) return allocate(size, memory);
    if (size > LM_SIZE_MAX - alignment) return NULL;
    uint32_t bytes = lm_block_bytes(size);
    uint32_t enough = bytes + (uint32_t)alignment - LM_BLOCK_ALIGNMENT;
    if (enough > room(memory) && !make_room(memory, enough)) return NULL;
    uint32_t next = control_of(memory)->next;
    uint32_t skipped = lm_round_up(next, (uint32_t)alignment) - next;
    if (skipped) *tag(memory, append(memory, skipped)) |= SKIPPED;
    return lm_at(memory, append(memory, bytes));
}

static void release_block(void *address, size_t size, lm_memory *memory) {
    if (!address) return;
    uint32_t block = live(address, memory);
    LM_CHECK(size <= bytes_of(memory, block) - LM_WORD_BYTES);
    (void)size;
    if (LM_CHECK_LEVEL >= 1) *tag(memory, block) |= FREED; // for the second free to trap
}

static size_t usable_size(const void *address, lm_memory *memory) {
    return bytes_of(memory, live(address, memory)) - LM_WORD_BYTES;
}

static uint64_t block_bytes_max(size_t size, size_t alignment) {
    (void)alignment;
    return lm_block_bytes(size);
}

static bool resize_in_place(uint32_t block, uint32_t bytes, lm_memory *memory) {
    uint32_t had = bytes_of(memory, block);
    if (block + had != control_of(memory)->next) return bytes <= had;
    if (bytes > had && bytes - had > room(memory)) {
        uint32_t end = region_at(memory, control_of(memory)->current)->end;
        if (end != (uint32_t)lm_memory_end(memory) || !grow(memory, bytes - had)) return false;
    }
    *tag(memory, block) = bytes;
    control_of(memory)->next = block + bytes;
    return true;
}

static void *resize_aligned(void *address, size_t size, size_t alignment, lm_memory *memory) {
    uint32_t block = live(address, memory);
    if (size > LM_SIZE_MAX) return NULL;
    if (resize_in_place(block, lm_block_bytes(size), memory)) return lm_at(memory, block);
    size_t kept = bytes_of(memory, block) - LM_WORD_BYTES;
    return lm_resize_by_copy(lm_at(memory, block), kept, size, alignment, memory, allocate_aligned,
                             release_block);
}

static void *resize(void *address, size_t size, lm_memory *memory) {
    return resize_aligned(address, size, LM_BLOCK_ALIGNMENT, memory);
}

static void reset(lm_memory *memory) {
    enter(memory, first_region(memory));
}

// Walks the blocks from a region's first one to where they end.
static const char *region_law(lm_memory *memory, uint32_t first, uint32_t used, uint32_t end,
                              lm_census *census) {
    if (used - first > end - first || used % LM_BLOCK_ALIGNMENT) return "next in region";
    for (uint32_t block = first; block != used; block += bytes_of(memory, block)) {
        uint32_t bytes = bytes_of(memory, block);
        if (bytes == 0 || bytes > end - block) return "block in region";
        if (bytes > used - block) return "used";
        if (*tag(memory, block) & SKIPPED) continue;
        census->live_blocks++;
        census->live_bytes += bytes;
    }
    return NULL;
}

static const char *validate(lm_memory *memory, lm_census *census) {
    const control *c = control_of(memory);
    lm_census seen = {.heap_bytes = sizeof(control)};
    uint64_t behind = first_region(memory);
    bool reached = false; // the current region: those behind it are empty
    for (uint32_t at = (uint32_t)behind; at; at = region_at(memory, at)->following) {
        const region *r = region_at(memory, at);
        uint64_t end = r->end ? r->end : (uint64_t)1 << 32;
        if (at < behind || end > lm_memory_end(memory) || end < (uint64_t)at + LM_BLOCK_ALIGNMENT ||
            end % LM_PAGE_BYTES != 0)
            return "regions";
        behind = end;
        uint32_t first = at + LM_BLOCK_ALIGNMENT, used = at == c->current ? c->next : r->used;
        const char *broken = region_law(memory, first, reached ? first : used, r->end, &seen);
        if (broken) return broken;
        reached |= at == c->current;
        seen.heap_bytes += end - at;
    }
    if (!reached) return "next in region";
    if (census) *census = seen;
    return NULL;
}

const lm_allocator LM_TABLE(bump) = {
    .name = "bump",
    .idea = "each block behind the last one; all are freed at once",
    .capabilities = LM_RESIZES_IN_PLACE | LM_IN_LINEAR_MEMORY | LM_HOLDS_CONTENT,
    .check_level = LM_CHECK_LEVEL,
    .start = start,
    .allocate = allocate,
    .allocate_zeroed = allocate_zeroed,
    .allocate_aligned = allocate_aligned,
    .resize = resize,
    .resize_aligned = resize_aligned,
    .free = release_block,
    .usable_size = usable_size,
    .block_bytes_max = block_bytes_max,
    .reset = reset,
    .validate = validate,
};
