// Blocks with boundary tags: the layout that first_fit, next_fit, best_fit, half_fit, tlsf and bins
// share. They differ in their index of the free blocks, which the file that includes this one
// defines.
//
// Idea: Knuth, The Art of Computer Programming 1, 2.5, exercise 19 and algorithm C; the word of the
// block before stored only while that is free, and the end of the heap kept apart, as in Lea's
// malloc. A block is known by the offset of its payload, a multiple of 16. Before it lies its tag:
// its bytes up to the next payload, a multiple of 16, and flags in the low bits.
//
//              block                                          block + bytes
//     ... [tag] payload ......................................[tag] payload ...     live
//     ... [tag] links ................................. [bytes][tag] payload ...    free
//
// The last word of a free block repeats its bytes for the block that follows; of a live block it is
// payload. So a live block costs 4 bytes, and 16 bytes hold the smallest block: 12 to use, or two
// links and the repeated word.
//
// The heap is one chain of blocks from the first to the last, the wilderness: what lies between the
// last live block and the top, perhaps nothing. It is in no index, and serves only what the index
// cannot (Wilson et al. 1995: wilderness preservation); a block that is freed in front of it
// becomes part of it. The top is where our part of the memory ends, at most 2^32, which 32 bits
// read as 0: offsets are computed modulo 2^32, and compared by their distances only.
//
//     [control][tag] block [tag] block ... [LAST] wilderness ... | ......... zero
//     heap_start                                  last           clean          top
//
// From `clean` on no byte has been written since our own growth brought it, so it is zero still;
// what was there before us, or was used once, is not.
//
// Growth that begins at the top lengthens the wilderness. Growth that begins further up (somebody
// else has grown the memory) makes a free block of it, and a block that is never freed of what is
// foreign, a gap, whose tag lies in our last word; its payload is not touched.
//
//     ... [LAST] wilderness             =>  ... [LAST] wilderness ..........
//     ... [LAST] wilderness foreign     =>  ... [tag] free [tag|gap] foreign ... [LAST] wilderness
//
// Blocks on both sides of a gap never merge. Where somebody else grows the memory after each growth
// of ours, a request that is larger than all before it therefore takes new pages, and the heap may
// be the sum of all sizes: 45,450 pages for a buffer that grows by a page a step to 300, and is
// copied, 892 without foreign pages (alloc/conformance/pages_test.c). buddy takes 3,567, as it
// rounds sizes up; to grow by more than is asked would do the same here, at that cost in every
// program whose memory is shared.
//
// Merging, at once in every free:
//
//     [ live ][ this ][ live ]  =>  [ live ][ this ][ live ]
//     [ live ][ this ][ free ]  =>  [ live ][ ---- this --- ]
//     [ free ][ this ][ live ]  =>  [ ---- prev --- ][ live ]
//     [ free ][ this ][ free ]  =>  [ -------- prev ------- ]
//     [ live ][ this ][ LAST ]  =>  [ live ][ ---- LAST --- ]
//
// Laws (validate's names):
//     top                 the top is the end of a page within the memory
//     wilderness          the chain ends in it, and it is clean towards the top if at all
//     block in heap       every block has at least BLOCK_BYTES_MIN and ends at the last or before
//     previous flag       a tag says whether the block before it is free
//     repeated bytes      a free block's last word repeats its bytes
//     coalesced           no free block lies beside another one or the wilderness
//     gap                 a gap is never free, and ends 16 bytes into a page
//     and the index's own, of which one is always: every free block is in it, and nothing else.
#pragma once

#include "alloc/strategies/fit/tag_bits.h"
#include "alloc/strategies/strategy.h"

// Parameters. The strategy has defined block_index, the type of its index of the free blocks, which
// is empty if all zero, and defines the functions of the index that are declared below. Optional:
//     BLOCK_BYTES_MIN    of the smallest block: room for a free block's links and its last word
//     INDEX_MOVES        there is an index_move
//     INDEX_KNOWS_RESTS  there is an index_insert_rest, for what is left of a block that was split
#ifndef BLOCK_BYTES_MIN
#define BLOCK_BYTES_MIN LM_BLOCK_ALIGNMENT
#endif

enum { FLAGS = LM_BLOCK_ALIGNMENT - 1 }; // and those of tag_bits.h
#define BYTES (~(uint32_t)FLAGS)

// At heap_start. Every offset in the heap is from here, so that one pointer is all that the
// functions pass on; it is good until the next growth, which may move it.
typedef struct heap {
    uint32_t top, last, clean;
    block_index index;
} heap;

enum { // the first block
    FIRST = (sizeof(heap) + LM_WORD_BYTES + LM_BLOCK_ALIGNMENT - 1) / LM_BLOCK_ALIGNMENT *
            LM_BLOCK_ALIGNMENT
};

// The strategy's index of the free blocks, whose tags are in place.
static inline uint32_t index_find(heap *h, uint32_t bytes); // a block of at least that, or 0
static void index_insert(heap *h, uint32_t block, uint32_t bytes);
static void index_remove(heap *h, uint32_t block);
#ifdef INDEX_MOVES // the same as the one and the other, where no free block lies between
static void index_move(heap *h, uint32_t from, uint32_t to, uint32_t bytes);
#endif
#ifdef INDEX_KNOWS_RESTS
static inline void index_insert_rest(heap *h, uint32_t block, uint32_t bytes, uint32_t taken);
#endif
static bool index_holds(heap *h, uint32_t block);            // for validate
static const char *index_law(heap *h, uint64_t free_blocks); // the first one broken, or NULL

typedef uint32_t __attribute__((may_alias)) word;

static inline heap *heap_of(const lm_memory *memory) {
    return lm_at(memory, memory->heap_start);
}
static inline void *address_of(heap *h, uint32_t offset) {
    return (unsigned char *)h + offset;
}
static inline uint32_t offset_of(heap *h, const void *address) {
    return (uint32_t)((uintptr_t)address - (uintptr_t)h);
}
static inline uint32_t memory_end(const lm_memory *memory) { // from the heap, modulo 2^32
    return (uint32_t)lm_memory_end(memory) - memory->heap_start;
}
static inline word *word_at(heap *h, uint32_t offset) {
    return address_of(h, offset);
}
static inline word *tag(heap *h, uint32_t block) {
    return word_at(h, block - LM_WORD_BYTES);
}
static inline word *bytes_before(heap *h, uint32_t block) {
    return word_at(h, block - 2 * LM_WORD_BYTES);
}
static inline uint32_t bytes_of(heap *h, uint32_t block) {
    return *tag(h, block) & BYTES;
}
static inline uint32_t wilderness_bytes(heap *h) {
    return h->top - h->last;
}
static inline uint32_t bytes_for(size_t size) {
    uint32_t bytes = lm_block_bytes(size);
    return bytes < BLOCK_BYTES_MIN ? BLOCK_BYTES_MIN : bytes;
}

// Blocks that become free and live.

static void make_free(heap *h, uint32_t block, uint32_t bytes) {
    *tag(h, block) = bytes | FREE;
    *bytes_before(h, block + bytes) = bytes;
    index_insert(h, block, bytes);
}

// A free block grows or shrinks: it begins at `to` now and has `bytes`.
static inline void move_free(heap *h, uint32_t from, uint32_t to, uint32_t bytes) {
#ifdef INDEX_MOVES
    index_move(h, from, to, bytes);
    *tag(h, to) = bytes | FREE;
    *bytes_before(h, to + bytes) = bytes;
#else
    index_remove(h, from);
    make_free(h, to, bytes);
#endif
}

// A free block's first bytes, `taken` of them, are in use now; the rest is free like any other
// block, unless the index wants to know of it.
static inline void make_rest(heap *h, uint32_t block, uint32_t bytes, uint32_t taken) {
#ifdef INDEX_KNOWS_RESTS
    index_remove(h, block);
    *tag(h, block + taken) = bytes | FREE;
    *bytes_before(h, block + taken + bytes) = bytes;
    index_insert_rest(h, block + taken, bytes, taken);
#else
    move_free(h, block, block + taken, bytes);
#endif
}

static inline void make_last(heap *h, uint32_t block) {
    *tag(h, block) = LAST;
    h->last = block;
}

// A block that is not in the index becomes free, merged with its neighbours.
static void release(heap *h, uint32_t block) {
    uint32_t own = *tag(h, block), end = block + (own & BYTES), next = *tag(h, end), before = 0;
    *tag(h, block) = own | FREE; // stays behind in the merged block: a second free sees it
    if (own & PREVIOUS_FREE) block = before = block - *bytes_before(h, block);
    if (next & LAST) {
        if (before) index_remove(h, before);
        make_last(h, block);
        return;
    }
    uint32_t behind = next & FREE ? end : 0;
    if (behind)
        end += next & BYTES;
    else
        *tag(h, end) = next | PREVIOUS_FREE;
    if (before && behind) index_remove(h, behind);
    if (before || behind)
        move_free(h, before ? before : behind, block, end - block);
    else
        make_free(h, block, end - block);
}

// A live block keeps `bytes` of its own; the rest goes back, where it can be a block.
static void shrink(heap *h, uint32_t block, uint32_t bytes) {
    uint32_t rest = bytes_of(h, block) - bytes;
    if (rest < BLOCK_BYTES_MIN) return;
    *tag(h, block) -= rest;
    *tag(h, block + bytes) = rest;
    release(h, block + bytes);
}

// A free block becomes live with the bytes asked for; the rest stays free.
static void take(heap *h, uint32_t block, uint32_t bytes) {
    uint32_t had = bytes_of(h, block);
    LM_CHECK((*tag(h, block) & FLAGS) == FREE && had >= bytes);
    LM_CHECK(*bytes_before(h, block + had) == had);
    if (had - bytes >= BLOCK_BYTES_MIN) {
        make_rest(h, block, had - bytes, bytes);
        *tag(h, block) = bytes;
    } else {
        index_remove(h, block);
        *tag(h, block) = had;
        *tag(h, block + had) &= ~(word)PREVIOUS_FREE;
    }
}

// Takes the wilderness's first bytes, of which it has enough. Returns how many of them are dirty.
static uint32_t take_last(heap *h, uint32_t bytes) {
    uint32_t block = h->last, dirty = h->clean - block;
    LM_CHECK(*tag(h, block) == LAST && h->top - block >= bytes);
    *tag(h, block) = bytes;
    make_last(h, block + bytes);
    if (dirty > bytes) return bytes;
    h->clean = block + bytes;
    return dirty;
}

// Growth that begins beyond the top: what we had becomes a free block, and a gap follows it.
static void leave_gap(heap *h, uint32_t start) {
    uint32_t top = h->top, last = h->last, block = start + LM_BLOCK_ALIGNMENT;
    uint32_t flags = GAP;
    if (top - last >= BLOCK_BYTES_MIN) {
        make_free(h, last, top - last);
        flags |= PREVIOUS_FREE;
    } else if (BLOCK_BYTES_MIN > LM_BLOCK_ALIGNMENT && top != last) { // no block: it is the gap's
        top = last;
    }
    *tag(h, top) = (block - top) | flags;
    make_last(h, block);
    h->clean = block;
}

// Grows the memory until the wilderness has `bytes`, of which it has too few. False: refused.
static bool extend(lm_memory *memory, uint32_t bytes) {
    heap *h = heap_of(memory);
    bool joins = memory_end(memory) == h->top;
    uint64_t missing = joins ? bytes - wilderness_bytes(h) : (uint64_t)bytes + LM_BLOCK_ALIGNMENT;
    uint32_t pages = (uint32_t)((missing + LM_PAGE_BYTES - 1) / LM_PAGE_BYTES);
    uint32_t before = lm_memory_grow(memory, pages);
    if (before == LM_GROW_REFUSED) return false;
    uint32_t start = before * LM_PAGE_BYTES - memory->heap_start; // modulo 2^32
    h = heap_of(memory);
    if (start != h->top) leave_gap(h, start);
    h->top = start + pages * LM_PAGE_BYTES;
    return true;
}

// A live block of `bytes` from the wilderness, which grows where it has too few. 0: refused.
static __attribute__((noinline)) uint32_t claim_last(lm_memory *memory, uint32_t bytes,
                                                     size_t *dirty) {
    if (wilderness_bytes(heap_of(memory)) < bytes && !extend(memory, bytes)) return 0;
    heap *h = heap_of(memory);
    uint32_t block = h->last;
    *dirty = take_last(h, bytes);
    return block;
}

// A live block of at least `bytes`, of which the first `dirty` may not be zero. 0: out of memory.
static inline uint32_t claim(lm_memory *memory, uint32_t bytes, size_t *dirty) {
    heap *h = heap_of(memory);
    uint32_t block = index_find(h, bytes);
    if (LM_UNLIKELY(!block)) return claim_last(memory, bytes, dirty);
    take(h, block, bytes);
    *dirty = SIZE_MAX;
    return block;
}

// The offset of a block that the caller says is live.
static inline uint32_t live(const void *address, const lm_memory *memory) {
    uint32_t block = offset_of(heap_of(memory), address);
#if LM_CHECK_LEVEL >= 1
    LM_CHECK(lm_holds(memory, address) && block % LM_BLOCK_ALIGNMENT == 0);
    heap *h = heap_of(memory);
    uint32_t room = h->last - FIRST; // from the first block on, modulo 2^32
    LM_CHECK(block - FIRST < room);
    uint32_t own = *tag(h, block), bytes = own & BYTES;
    LM_CHECK((own & (FREE | GAP | LAST)) == 0 && bytes != 0 && bytes <= room - (block - FIRST));
    LM_CHECK((*tag(h, block + bytes) & PREVIOUS_FREE) == 0);
    if (own & PREVIOUS_FREE) {
        uint32_t before = *bytes_before(h, block);
        LM_CHECK(before != 0 && before <= block - FIRST);
        LM_CHECK(*tag(h, block - before) == (before | FREE));
    }
#endif
    return block;
}

// The table's functions.

static bool boundary_start(lm_memory *memory) {
    if (!lm_reach(memory, (uint64_t)memory->heap_start + FIRST)) return false;
    heap *h = heap_of(memory);
    memset(h, 0, sizeof *h);
    h->top = h->clean = memory_end(memory);
    make_last(h, FIRST);
    return true;
}

static inline void *boundary_allocate_dirty(size_t size, size_t *dirty, lm_memory *memory) {
    if (LM_UNLIKELY(size > LM_SIZE_MAX)) return NULL;
    uint32_t block = claim(memory, bytes_for(size), dirty);
    return LM_LIKELY(block) ? address_of(heap_of(memory), block) : NULL;
}

static void *boundary_allocate(size_t size, lm_memory *memory) {
    size_t dirty;
    return boundary_allocate_dirty(size, &dirty, memory);
}

static void *boundary_allocate_zeroed(size_t size, lm_memory *memory) {
    return lm_allocate_zeroed(boundary_allocate_dirty, size, memory);
}

// Any multiple of 16 may be a block's offset and its size: what lies before the aligned address is
// a block of its own and goes back, as does what is too much behind.
static void *boundary_allocate_aligned(size_t alignment, size_t size, lm_memory *memory) {
    if (alignment <= LM_BLOCK_ALIGNMENT) return boundary_allocate(size, memory);
    if (size > LM_SIZE_MAX - alignment - BLOCK_BYTES_MIN) return NULL;
    uint32_t lead = 2 * (BLOCK_BYTES_MIN - LM_BLOCK_ALIGNMENT); // too little goes a step further
    uint32_t bytes = bytes_for(size), step = (uint32_t)alignment;
    size_t dirty;
    uint32_t block = claim(memory, bytes + step - LM_BLOCK_ALIGNMENT + lead, &dirty);
    if (!block) return NULL;
    heap *h = heap_of(memory);
    uint32_t before = -(memory->heap_start + block) & (step - 1);
    if (before != 0) {
        if (before < BLOCK_BYTES_MIN) before += step;
        *tag(h, block + before) = bytes_of(h, block) - before;
        *tag(h, block) = before;
        release(h, block);
    }
    shrink(h, block + before, bytes);
    return address_of(h, block + before);
}

static void boundary_free(void *address, size_t size, lm_memory *memory) {
    if (LM_UNLIKELY(!address)) return;
    uint32_t block = live(address, memory);
    heap *h = heap_of(memory);
    LM_CHECK(size <= bytes_of(h, block) - LM_WORD_BYTES);
    (void)size;
    release(h, block);
}

static size_t boundary_usable_size(const void *address, lm_memory *memory) {
    return bytes_of(heap_of(memory), live(address, memory)) - LM_WORD_BYTES;
}

// What is left of a split and too small for a block stays with it.
static uint64_t boundary_block_bytes_max(size_t size, size_t alignment) {
    (void)alignment;
    return (uint64_t)bytes_for(size) + BLOCK_BYTES_MIN - LM_BLOCK_ALIGNMENT;
}

// Gives the block `bytes` where it lies: of its own, of the free block or the wilderness behind it,
// or of new memory.
static bool resize_in_place(uint32_t block, uint32_t bytes, lm_memory *memory) {
    heap *h = heap_of(memory);
    uint32_t had = bytes_of(h, block), end = block + had, next = *tag(h, end);
    if (bytes > had) {
        uint32_t more = bytes - had;
        if (next & LAST) {
            if (wilderness_bytes(h) < more &&
                (memory_end(memory) != h->top || !extend(memory, more)))
                return false;
            h = heap_of(memory);
            take_last(h, more);
        } else {
            if (!(next & FREE) || (next & BYTES) < more) return false;
            take(h, end, more);
        }
        *tag(h, block) += bytes_of(h, end);
        *tag(h, end) = 0; // no block begins there any more
    }
    shrink(h, block, bytes);
    return true;
}

static void *boundary_resize_aligned(void *address, size_t size, size_t alignment,
                                     lm_memory *memory) {
    uint32_t block = live(address, memory);
    if (size > LM_SIZE_MAX) return NULL;
    if (resize_in_place(block, bytes_for(size), memory)) return address_of(heap_of(memory), block);
    size_t kept = bytes_of(heap_of(memory), block) - LM_WORD_BYTES;
    return lm_resize_by_copy(address, kept, size, alignment, memory, boundary_allocate_aligned,
                             boundary_free);
}

static void *boundary_resize(void *address, size_t size, lm_memory *memory) {
    return boundary_resize_aligned(address, size, LM_BLOCK_ALIGNMENT, memory);
}

// What lies between two gaps becomes one free block, and what lies behind the last, the wilderness.
static void boundary_reset(lm_memory *memory) {
    heap *h = heap_of(memory);
    memset(&h->index, 0, sizeof h->index);
    for (uint32_t first = FIRST, block = first;;) {
        uint32_t own = *tag(h, block);
        if (own & LAST) {
            make_last(h, first);
            return;
        }
        uint32_t end = block + (own & BYTES);
        if (own & GAP) { // the first tag may be this one: then nothing is between
            *tag(h, block) = block == first ? own & ~(uint32_t)PREVIOUS_FREE : own | PREVIOUS_FREE;
            if (block != first) make_free(h, first, block - first);
            first = end;
        } else if (LM_CHECK_LEVEL >= 1) {
            *tag(h, block) = own | FREE; // a pointer from before the reset is seen
        }
        block = end;
    }
}

// The laws that one block can break.
static const char *block_law(heap *h, uint32_t gap_end, uint32_t block, bool previous_free) {
    uint32_t own = *tag(h, block), bytes = own & BYTES;
    if (bytes < BLOCK_BYTES_MIN || bytes > h->last - block) return "block in heap";
    if (!!(own & PREVIOUS_FREE) != previous_free) return "previous flag";
    if ((own & GAP) && ((own & FREE) || (block + bytes - gap_end) % LM_PAGE_BYTES != 0))
        return "gap";
    if (!(own & FREE)) return NULL;
    if (previous_free || block + bytes == h->last) return "coalesced";
    if (*bytes_before(h, block + bytes) != bytes) return "repeated bytes";
    return index_holds(h, block) ? NULL : "free blocks in the index";
}

static void count(heap *h, uint32_t block, lm_census *census) {
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

static const char *boundary_validate(lm_memory *memory, lm_census *census) {
    heap *h = heap_of(memory);
    uint64_t bytes = (uint32_t)(h->top - FIRST), end = memory->heap_start + FIRST + bytes;
    if (end % LM_PAGE_BYTES != 0 || end > lm_memory_end(memory)) return "top";
    uint32_t left = wilderness_bytes(h);
    if (left > bytes || h->top - h->clean > left) return "wilderness";
    lm_census seen = {.heap_bytes = FIRST + bytes};
    uint32_t gap_end = LM_BLOCK_ALIGNMENT - memory->heap_start; // of any, modulo a page
    bool previous_free = false;
    for (uint32_t block = FIRST; block != h->last; block += bytes_of(h, block)) {
        const char *broken = block_law(h, gap_end, block, previous_free);
        if (broken) return broken;
        previous_free = *tag(h, block) & FREE;
        count(h, block, &seen);
    }
    if (*tag(h, h->last) != LAST) return "wilderness";
    const char *broken = index_law(h, seen.free_blocks);
    if (broken) return broken;
    if (left) {
        seen.free_blocks++;
        seen.free_bytes += left;
    }
    if (census) *census = seen;
    return NULL;
}
