// Blocks with boundary tags: the layout that first_fit and tlsf share. They differ in their index
// of the free blocks, which the file that includes this one defines.
//
// Idea: Knuth, The Art of Computer Programming 1, 2.5, exercise 19 and algorithm C; the word of the
// block before stored only while that is free, as in Lea's malloc. A block is known by the offset
// of its payload, a multiple of 16. Before it lies its tag: its bytes up to the next payload, a
// multiple of 16, and flags in the low bits.
//
//              block                                          block + bytes
//     ... [tag] payload ......................................[tag] payload ...     live
//     ... [tag] links ................................. [bytes][tag] payload ...    free
//
// The last word of a free block repeats its bytes for the block that follows; of a live block it is
// payload. So a live block costs 4 bytes, and 16 bytes hold the smallest block: 12 to use, or two
// links and the repeated word.
//
// The heap is one chain of blocks from the first to the top, where a tag of no bytes ends it, the
// fence. The top is where our part of the memory ends, at most 2^32, which 32 bits read as 0: all
// offsets are computed modulo 2^32, and none is compared that could be the top.
//
//     [control][tag] block [tag] block ... [tag] block [fence]
//     heap_start                                              top
//
// Growth that begins at the top turns the fence into the tag of a new free block. Growth that
// begins further up (somebody else has grown the memory) turns it into a block that is never freed,
// a gap, which spans what is foreign; its payload is not touched.
//
//     ... [fence]                      =>  ... [tag] free block [fence]
//     ... [fence] foreign              =>  ... [tag|gap] foreign ... [tag] free block [fence]
//
// Merging, at once in every free:
//
//     [ live ][ this ][ live ]  =>  [ live ][ this ][ live ]
//     [ live ][ this ][ free ]  =>  [ live ][ ---- this --- ]
//     [ free ][ this ][ live ]  =>  [ ---- prev --- ][ live ]
//     [ free ][ this ][ free ]  =>  [ -------- prev ------- ]
//
// Laws (validate's names):
//     top                 the top is the end of a page within the memory
//     block in heap       every block has at least 16 bytes and ends at the top or before
//     fence               the chain ends in a tag of no bytes, at the top
//     previous flag       a tag says whether the block before it is free
//     repeated bytes      a free block's last word repeats its bytes
//     coalesced           no two free blocks lie side by side
//     gap                 a gap is never free, and ends 16 bytes into a page
//     and the index's own, of which one is always: every free block is in it, and nothing else.
#pragma once

#include "alloc/strategies/strategy.h"

enum { FREE = 1, PREVIOUS_FREE = 2, GAP = 4, FLAGS = LM_BLOCK_ALIGNMENT - 1 };
#define BYTES (~(uint32_t)FLAGS)
enum { BLOCK_BYTES_MIN = LM_BLOCK_ALIGNMENT };

// At heap_start. The including file defines block_index; all zero, it is empty.
typedef struct control {
    uint32_t top;
    block_index index;
} control;

// A heap as seen between two growths: a growth may move it.
typedef struct heap {
    unsigned char *base;
    control *control;
    uint32_t first;
} heap;

// What the including file defines: its index of the free blocks, whose tags are in place.
static inline uint32_t index_find(heap h, uint32_t bytes); // a block of at least that, or 0
static inline void index_insert(heap h, uint32_t block, uint32_t bytes);
static inline void index_remove(heap h, uint32_t block);
static bool index_holds(heap h, uint32_t block);            // for validate
static const char *index_law(heap h, uint64_t free_blocks); // the first one broken, or NULL

typedef uint32_t __attribute__((may_alias)) word;

static inline heap heap_of(const lm_memory *memory) {
    uint32_t lead = lm_round_up(sizeof(control) + LM_WORD_BYTES, LM_BLOCK_ALIGNMENT);
    uint32_t start = memory->heap_start;
    return (heap){lm_memory_base(memory), lm_at(memory, start), start + lead};
}
static inline word *word_at(heap h, uint32_t offset) {
    return (void *)(h.base + offset);
}
static inline word *tag(heap h, uint32_t block) {
    return word_at(h, block - LM_WORD_BYTES);
}
static inline word *bytes_before(heap h, uint32_t block) {
    return word_at(h, block - 2 * LM_WORD_BYTES);
}
static inline uint32_t bytes_of(heap h, uint32_t block) {
    return *tag(h, block) & BYTES;
}

// The free block that ends at the top, or the top.
static inline uint32_t last_free(heap h) {
    uint32_t top = h.control->top;
    return *tag(h, top) & PREVIOUS_FREE ? top - *bytes_before(h, top) : top;
}

// Blocks that become free and live.

static inline void make_free(heap h, uint32_t block, uint32_t bytes) {
    *tag(h, block) = bytes | FREE;
    *bytes_before(h, block + bytes) = bytes;
    index_insert(h, block, bytes);
}

// A block that is not in the index becomes free, merged with its neighbours.
static inline void release(heap h, uint32_t block) {
    uint32_t own = *tag(h, block), bytes = own & BYTES;
    uint32_t next = *tag(h, block + bytes);
    *tag(h, block) = own | FREE; // stays behind in the merged block: a second free sees it
    if (next & FREE) {
        index_remove(h, block + bytes);
        bytes += next & BYTES;
    } else {
        *tag(h, block + bytes) = next | PREVIOUS_FREE;
    }
    if (own & PREVIOUS_FREE) {
        uint32_t before = *bytes_before(h, block);
        block -= before;
        bytes += before;
        index_remove(h, block);
    }
    make_free(h, block, bytes);
}

// A free block becomes live with the bytes asked for; the rest stays free.
static inline void take(heap h, uint32_t block, uint32_t bytes) {
    uint32_t had = bytes_of(h, block);
    LM_CHECK((*tag(h, block) & FLAGS) == FREE && had >= bytes);
    LM_CHECK(*bytes_before(h, block + had) == had);
    index_remove(h, block);
    *tag(h, block) = bytes;
    if (had > bytes) {
        make_free(h, block + bytes, had - bytes);
    } else {
        *tag(h, block + bytes) &= ~(word)PREVIOUS_FREE;
    }
}

// Memory that joins the heap: it ends at the new top, whose fence is yet to be written.
static void append(heap h, uint32_t start, uint32_t top) {
    uint32_t block = h.control->top, flags = *tag(h, block) & FLAGS;
    if (start != block) { // somebody's pages lie between
        uint32_t gap_end = start + LM_BLOCK_ALIGNMENT;
        *tag(h, block) = (gap_end - block) | GAP | flags;
        block = gap_end;
        flags = 0;
    }
    h.control->top = top;
    *tag(h, block) = (top - block) | flags;
    *tag(h, top) = 0;
    release(h, block);
}

// Grows so that the last block is free and has at least `bytes`, of which it has too few now.
static bool extend(lm_memory *memory, uint32_t bytes) {
    heap h = heap_of(memory);
    uint64_t missing = (uint64_t)bytes + LM_BLOCK_ALIGNMENT; // a gap's end
    if ((uint32_t)lm_memory_end(memory) == h.control->top)
        missing = bytes - (h.control->top - last_free(h));
    uint32_t pages = (uint32_t)((missing + LM_PAGE_BYTES - 1) / LM_PAGE_BYTES);
    uint32_t before = lm_memory_grow(memory, pages);
    if (before == LM_GROW_REFUSED) return false;
    uint64_t start = (uint64_t)before * LM_PAGE_BYTES;
    append(heap_of(memory), (uint32_t)start, (uint32_t)(start + (uint64_t)pages * LM_PAGE_BYTES));
    return true;
}

// Where the index has nothing: the last block, which may be larger than the index knows, or grown.
static __attribute__((noinline, cold)) uint32_t find_at_top(lm_memory *memory, uint32_t bytes) {
    heap h = heap_of(memory);
    uint32_t last = last_free(h);
    if (h.control->top - last >= bytes) return last;
    return extend(memory, bytes) ? last_free(heap_of(memory)) : 0;
}

// The offset of a block that the caller says is live.
static inline uint32_t live(const void *address, const lm_memory *memory) {
    uint32_t block = lm_offset(memory, address);
#if LM_CHECK_LEVEL >= 1
    LM_CHECK(lm_holds(memory, address) && block % LM_BLOCK_ALIGNMENT == 0);
    heap h = heap_of(memory);
    uint32_t room = h.control->top - h.first; // from the first block on, modulo 2^32
    LM_CHECK(block - h.first < room);
    uint32_t own = *tag(h, block), bytes = own & BYTES;
    LM_CHECK((own & (FREE | GAP)) == 0 && bytes != 0 && bytes <= room - (block - h.first));
    LM_CHECK((*tag(h, block + bytes) & PREVIOUS_FREE) == 0);
    if (own & PREVIOUS_FREE) {
        uint32_t before = *bytes_before(h, block);
        LM_CHECK(before != 0 && before <= block - h.first);
        LM_CHECK(*tag(h, block - before) == (before | FREE));
    }
#endif
    return block;
}

// The table's functions.

static bool start(lm_memory *memory) {
    uint64_t first = (uint64_t)memory->heap_start +
                     lm_round_up(sizeof(control) + LM_WORD_BYTES, LM_BLOCK_ALIGNMENT);
    if (!lm_reach(memory, first + BLOCK_BYTES_MIN)) return false;
    heap h = heap_of(memory);
    *h.control = (control){.top = (uint32_t)lm_memory_end(memory)};
    *tag(h, h.first) = h.control->top - h.first;
    *tag(h, h.control->top) = 0;
    release(h, h.first);
    return true;
}

static void *allocate(size_t size, lm_memory *memory) {
    if (LM_UNLIKELY(size > LM_SIZE_MAX)) return NULL;
    uint32_t bytes = lm_block_bytes(size);
    heap h = heap_of(memory);
    uint32_t block = index_find(h, bytes);
    if (LM_UNLIKELY(!block)) {
        block = find_at_top(memory, bytes);
        if (!block) return NULL;
        h = heap_of(memory);
    }
    take(h, block, bytes);
    return h.base + block;
}

static void *allocate_zeroed(size_t size, lm_memory *memory) {
    return lm_zero(allocate(size, memory), size);
}

// Any multiple of 16 may be a block's offset and its size: what lies before the aligned offset is a
// block of its own, and goes back.
static void *allocate_aligned(size_t alignment, size_t size, lm_memory *memory) {
    if (alignment <= LM_BLOCK_ALIGNMENT) return allocate(size, memory);
    if (size > LM_SIZE_MAX - alignment) return NULL;
    uint32_t bytes = lm_block_bytes(size);
    uint32_t enough = bytes + (uint32_t)alignment - LM_BLOCK_ALIGNMENT;
    uint32_t block = index_find(heap_of(memory), enough);
    if (!block) block = find_at_top(memory, enough);
    if (!block) return NULL;
    heap h = heap_of(memory);
    uint32_t aligned = lm_round_up(block, (uint32_t)alignment);
    take(h, block, aligned - block + bytes);
    if (aligned != block) {
        *tag(h, block) = aligned - block;
        *tag(h, aligned) = bytes;
        release(h, block);
    }
    return h.base + aligned;
}

static void release_block(void *address, size_t size, lm_memory *memory) {
    if (!address) return;
    uint32_t block = live(address, memory);
    heap h = heap_of(memory);
    LM_CHECK(size <= bytes_of(h, block) - LM_WORD_BYTES);
    (void)size;
    release(h, block);
}

static size_t usable_size(const void *address, lm_memory *memory) {
    return bytes_of(heap_of(memory), live(address, memory)) - LM_WORD_BYTES;
}

static uint64_t block_bytes_max(size_t size, size_t alignment) {
    (void)alignment;
    return lm_block_bytes(size);
}

// Gives the block `bytes` where it lies, of its own, of the free block behind it, or of new memory
// where it is the last.
static bool resize_in_place(uint32_t block, uint32_t bytes, lm_memory *memory) {
    heap h = heap_of(memory);
    uint32_t had = bytes_of(h, block), end = block + had, next = *tag(h, end);
    if (bytes <= had) {
        if (bytes == had) return true;
        *tag(h, block) -= had - bytes;
        *tag(h, block + bytes) = had - bytes;
        release(h, block + bytes);
        return true;
    }
    uint32_t more = bytes - had, room = next & FREE ? next & BYTES : 0;
    if (more > room) {
        if (end + room != h.control->top || (uint32_t)lm_memory_end(memory) != h.control->top)
            return false;
        if (!extend(memory, more)) return false;
        h = heap_of(memory);
    }
    take(h, end, more);
    *tag(h, block) += more;
    return true;
}

static void *resize_aligned(void *address, size_t size, size_t alignment, lm_memory *memory) {
    uint32_t block = live(address, memory);
    if (size > LM_SIZE_MAX) return NULL;
    if (resize_in_place(block, lm_block_bytes(size), memory)) return lm_at(memory, block);
    size_t kept = bytes_of(heap_of(memory), block) - LM_WORD_BYTES;
    return lm_resize_by_copy(lm_at(memory, block), kept, size, alignment, memory, allocate_aligned,
                             release_block);
}

static void *resize(void *address, size_t size, lm_memory *memory) {
    return resize_aligned(address, size, LM_BLOCK_ALIGNMENT, memory);
}

// What lies between two gaps becomes one free block.
static void reset(lm_memory *memory) {
    heap h = heap_of(memory);
    uint32_t top = h.control->top;
    *h.control = (control){.top = top};
    for (uint32_t first = h.first, block = first;;) {
        uint32_t own = *tag(h, block);
        if ((own & GAP) || block == top) { // the first tag may be this one: then nothing is between
            if (block != first) {
                *tag(h, block) = own | PREVIOUS_FREE;
                make_free(h, first, block - first);
            }
            if (block == top) return;
            first = block + (own & BYTES);
        }
        block += own & BYTES;
    }
}

// The laws that one block can break; `next` is what follows it.
static const char *block_law(heap h, uint32_t block, bool previous_free) {
    uint32_t own = *tag(h, block), bytes = own & BYTES;
    if (bytes < BLOCK_BYTES_MIN || bytes > h.control->top - block) return "block in heap";
    if (!!(own & PREVIOUS_FREE) != previous_free) return "previous flag";
    if ((own & GAP) && ((own & FREE) || (block + bytes) % LM_PAGE_BYTES != LM_BLOCK_ALIGNMENT))
        return "gap";
    if (!(own & FREE)) return NULL;
    if (previous_free) return "coalesced";
    if (*bytes_before(h, block + bytes) != bytes) return "repeated bytes";
    return index_holds(h, block) ? NULL : "free blocks in the index";
}

static void count(heap h, uint32_t block, lm_census *census) {
    uint32_t own = *tag(h, block), bytes = own & BYTES;
    if (own & GAP) {
        census->heap_bytes -= bytes - LM_BLOCK_ALIGNMENT;
    } else if (own & FREE) {
        census->free_blocks++;
        census->free_bytes += bytes;
    } else {
        census->live_blocks++;
        census->live_bytes += bytes;
    }
}

static const char *validate(lm_memory *memory, lm_census *census) {
    heap h = heap_of(memory);
    uint32_t top = h.control->top;
    uint64_t end = top ? top : (uint64_t)1 << 32;
    if (top % LM_PAGE_BYTES != 0 || end > lm_memory_end(memory) || end <= h.first) return "top";
    lm_census seen = {.heap_bytes = end - memory->heap_start};
    bool previous_free = false;
    for (uint32_t block = h.first; block != top; block += bytes_of(h, block)) {
        const char *broken = block_law(h, block, previous_free);
        if (broken) return broken;
        previous_free = *tag(h, block) & FREE;
        count(h, block, &seen);
    }
    if (*tag(h, top) != (previous_free ? PREVIOUS_FREE : 0)) return "fence";
    if (census) *census = seen;
    return index_law(h, seen.free_blocks);
}
