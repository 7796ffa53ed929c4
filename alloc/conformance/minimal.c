// minimal: the smallest strategy that passes the conformance suite. An example, not a candidate.
//
// Idea: one chain of blocks from the heap's start to its end, live and free ones. Allocation takes
// the first free block that is large enough (Knuth, The Art of Computer Programming, 2.5).
//
// Layout: the word before a block, its tag, is the number of bytes up to the next block, a multiple
// of 16, plus what the block is. Foreign pages inside the heap are a FOREIGN block.
//
//     [heap][tag] live [tag] free [tag] foreign pages [tag] live [tag] free | heap->pages
//
// Laws (validate's names):
//     end         the heap ends at a page within the memory, and not before its first block
//     tag         each tag has a known kind and reaches to the next block or to the heap's end
//
// Costs: free O(1); allocate, resize, reset and validate O(blocks). 4 bytes a block, rounded up to
// 16 bytes, and 16 bytes for the heap.
//
// Bound: as first_fit's, since the lowest free range that is large enough is taken.
#include "alloc/strategies/strategy.h"

// What a block is: the low four bits of its tag.
enum { FREE = 1, LIVE = 2, FOREIGN = 3, KIND = LM_BLOCK_ALIGNMENT - 1 };

typedef uint32_t __attribute__((may_alias)) word;

typedef struct heap {
    uint32_t pages; // the memory's page count at which the heap ends
    uint32_t unused[2];
    uint32_t first_tag; // of the block that follows
} heap;

_Static_assert(sizeof(heap) == LM_BLOCK_ALIGNMENT, "the first block follows the heap");

static inline heap *heap_of(const lm_memory *memory) {
    return lm_at(memory, memory->heap_start);
}

// The first block's offset and the heap's end. Both may be 2^32, hence 64 bits.
static inline uint64_t heap_first(const lm_memory *memory) {
    return (uint64_t)memory->heap_start + sizeof(heap);
}
static inline uint64_t heap_end(const lm_memory *memory) {
    return (uint64_t)heap_of(memory)->pages * LM_PAGE_BYTES;
}

static inline word *tag_of(const lm_memory *memory, uint64_t block) {
    return lm_at(memory, (uint32_t)(block - LM_WORD_BYTES));
}
static inline uint32_t block_kind(const lm_memory *memory, uint64_t block) {
    return *tag_of(memory, block) & KIND;
}
static inline uint32_t block_bytes(const lm_memory *memory, uint64_t block) {
    return *tag_of(memory, block) & ~(word)KIND;
}
static inline void block_set(const lm_memory *memory, uint64_t block, uint64_t bytes,
                             uint32_t kind) {
    if (bytes) *tag_of(memory, block) = (uint32_t)bytes | kind;
}

static inline bool tag_holds(const lm_memory *memory, uint64_t block) {
    uint32_t bytes = block_bytes(memory, block), kind = block_kind(memory, block);
    return kind >= FREE && kind <= FOREIGN && bytes > 0 && bytes <= heap_end(memory) - block;
}

// The offset of a block that the caller says is live. At level 1 its own tag and the next one are
// checked, which takes constant time.
static inline uint32_t block_live(const void *address, const lm_memory *memory) {
    uint32_t block = lm_offset(memory, address);
    LM_CHECK(lm_holds(memory, address) && block % LM_BLOCK_ALIGNMENT == 0);
    LM_CHECK(block >= heap_first(memory) && block < heap_end(memory));
    LM_CHECK(block_kind(memory, block) == LIVE && tag_holds(memory, block));
    LM_CHECK((uint64_t)block + block_bytes(memory, block) == heap_end(memory) ||
             tag_holds(memory, (uint64_t)block + block_bytes(memory, block)));
    return block;
}

static bool minimal_start(lm_memory *memory) {
    if (!lm_reach(memory, heap_first(memory))) return false;
    heap_of(memory)->pages = lm_memory_pages(memory);
    uint64_t first = heap_first(memory);
    block_set(memory, first, heap_end(memory) - first, FREE);
    return true;
}

// The first place in a free block that is large enough, else one at the heap's end. Merges free
// neighbours on the way. `free_block` is the free block that the place is in, the end if in none.
static uint64_t find_place(lm_memory *memory, uint32_t bytes, size_t alignment,
                           uint64_t *free_block) {
    uint64_t end = heap_end(memory), at = heap_first(memory);
    *free_block = end;
    for (uint64_t next; at < end; at = next) {
        next = at + block_bytes(memory, at);
        if (block_kind(memory, at) != FREE) continue;
        while (next < end && block_kind(memory, next) == FREE)
            next += block_bytes(memory, next);
        block_set(memory, at, next - at, FREE);
        uint64_t place = (at + alignment - 1) & ~(uint64_t)(alignment - 1);
        if (place + bytes <= next || next == end) {
            *free_block = at;
            return place;
        }
    }
    return (end + alignment - 1) & ~(uint64_t)(alignment - 1);
}

// Grows the heap so that a block of `bytes` can be placed in the free block at its end. False:
// refused, and nothing has changed.
static bool grow_heap(lm_memory *memory, uint32_t bytes, size_t alignment, uint64_t *place,
                      uint64_t *free_block) {
    uint64_t end = heap_end(memory), before = lm_memory_end(memory);
    if (before != end) { // other code has grown the memory: a new range, after its pages
        *free_block = before + LM_BLOCK_ALIGNMENT;
        *place = (*free_block + alignment - 1) & ~(uint64_t)(alignment - 1);
    }
    if (!lm_reach(memory, *place + bytes)) return false;
    if (before != end) block_set(memory, end, *free_block - end, FOREIGN);
    heap_of(memory)->pages = lm_memory_pages(memory);
    block_set(memory, *free_block, heap_end(memory) - *free_block, FREE);
    return true;
}

static void *minimal_allocate_aligned(size_t alignment, size_t size, lm_memory *memory) {
    if (size > LM_SIZE_MAX) return NULL;
    if (alignment < LM_BLOCK_ALIGNMENT) alignment = LM_BLOCK_ALIGNMENT;
    uint32_t bytes = lm_block_bytes(size);
    uint64_t free_block, place = find_place(memory, bytes, alignment, &free_block);
    if (place + bytes > heap_end(memory) &&
        !grow_heap(memory, bytes, alignment, &place, &free_block))
        return NULL;
    uint64_t next = free_block + block_bytes(memory, free_block);
    block_set(memory, free_block, place - free_block, FREE);
    block_set(memory, place, bytes, LIVE);
    block_set(memory, place + bytes, next - place - bytes, FREE);
    return lm_at(memory, (uint32_t)place);
}

static void *minimal_allocate(size_t size, lm_memory *memory) {
    return minimal_allocate_aligned(LM_BLOCK_ALIGNMENT, size, memory);
}

// What the allocation itself has added to the heap is zero and is not written.
static void *minimal_allocate_zeroed(size_t size, lm_memory *memory) {
    uint64_t end = heap_end(memory);
    void *block = minimal_allocate(size, memory);
    if (!block) return NULL;
    uint32_t offset = lm_offset(memory, block);
    uint64_t dirty = end > offset ? end - offset : 0;
    return memset(block, 0, size < dirty ? size : (size_t)dirty);
}

static void minimal_free(void *address, size_t size, lm_memory *memory) {
    if (!address) return;
    uint32_t block = block_live(address, memory), bytes = block_bytes(memory, block);
    LM_CHECK(size <= bytes - LM_WORD_BYTES);
    (void)size;
    block_set(memory, block, bytes, FREE);
}

static size_t minimal_usable_size(const void *address, lm_memory *memory) {
    return block_bytes(memory, block_live(address, memory)) - LM_WORD_BYTES;
}

static void *minimal_resize_aligned(void *address, size_t size, size_t alignment,
                                    lm_memory *memory) {
    return lm_resize_by_copy(address, minimal_usable_size(address, memory), size, alignment, memory,
                             minimal_allocate_aligned, minimal_free);
}

static void *minimal_resize(void *address, size_t size, lm_memory *memory) {
    return minimal_resize_aligned(address, size, LM_BLOCK_ALIGNMENT, memory);
}

static uint64_t minimal_block_bytes_max(size_t size, size_t alignment) {
    (void)alignment;
    return lm_block_bytes(size);
}

static uint64_t minimal_heap_bytes_max(const lm_demand *demand) {
    return lm_heap_bytes(lm_first_fit_bound(demand),
                         (demand->foreign_growths + 1) * LM_BLOCK_ALIGNMENT);
}

static void minimal_reset(lm_memory *memory) {
    uint64_t end = heap_end(memory);
    for (uint64_t at = heap_first(memory), bytes; at < end; at += bytes) {
        bytes = block_bytes(memory, at);
        if (block_kind(memory, at) == LIVE) block_set(memory, at, bytes, FREE);
    }
}

// Reads each tag before it follows it: whatever a word was overwritten with, the walk ends.
static const char *minimal_validate(lm_memory *memory, lm_census *census) {
    uint64_t end = heap_end(memory), at = heap_first(memory);
    if (end > lm_memory_end(memory) || end < at) return "end";
    lm_census seen = {.heap_bytes = sizeof(heap)};
    for (bool was_free = false; at < end; at += block_bytes(memory, at)) {
        if (!tag_holds(memory, at)) return "tag";
        uint32_t bytes = block_bytes(memory, at), kind = block_kind(memory, at);
        seen.heap_bytes += kind == FOREIGN ? LM_BLOCK_ALIGNMENT : bytes;
        seen.live_blocks += kind == LIVE;
        seen.live_bytes += kind == LIVE ? bytes : 0;
        seen.free_blocks += kind == FREE && !was_free; // neighbours serve as one
        seen.free_bytes += kind == FREE ? bytes : 0;
        was_free = kind == FREE;
    }
    if (census) *census = seen;
    return NULL;
}

LM_STRATEGY(minimal, minimal, .idea = "the first free block of a chain that is large enough",
            .bound = "M(2 + log2 n) for M live bytes and the largest request of n",
            .capabilities = LM_FREES_BLOCKS | LM_MERGES | LM_IN_LINEAR_MEMORY | LM_HOLDS_CONTENT,
            .heap_bytes_max = minimal_heap_bytes_max);
