// Blocks with boundary tags: the layout that first_fit, next_fit, best_fit, half_fit, tlsf and bins
// share. They differ in their index of the free blocks.
//
// Source: Knuth, The Art of Computer Programming 1, 2.5, exercise 19 and algorithm C; as in Lea's
// malloc, the size of the block before is stored only while that block is free, and the end of the
// heap is kept separate.
//
// A block is known by the offset of its payload, a multiple of 16. The word before it is its tag:
// its bytes up to the next payload, a multiple of 16, and flags in the low bits.
//
//              block                                          block + bytes
//     ... [tag] payload ......................................[tag] payload ...     live
//     ... [tag] links ................................. [bytes][tag] payload ...    free
//
// The last word of a free block repeats its bytes for the block that follows; in a live block it is
// payload. So a live block costs 4 bytes, and the smallest block has 16 bytes: 12 to use, or two
// links and the repeated word.
//
// The heap is one chain of blocks from the first to the last, the wilderness: the rest up to the
// top, perhaps empty. It is not in the index, and serves only what the index cannot (Wilson et al.
// 1995: wilderness preservation); a block that is freed before it becomes part of it. The top is
// where our part of the memory ends, at most 2^32, which is 0 in 32 bits: offsets are computed
// modulo 2^32, and only their distances are compared.
//
//     [control][tag] block [tag] block ... [LAST] wilderness ... | ......... zero
//     heap_start                                  last           clean          top
//
// From `clean` on no byte has been written since our own growth added it, so it is still zero.
//
// A growth that begins at the top extends the wilderness. If other code has grown the memory, our
// growth begins further up: the wilderness becomes a free block, and the foreign pages a block that
// is never freed, a gap. Its tag is in our last word; its payload is not accessed.
//
//     ... [LAST] wilderness             =>  ... [LAST] wilderness ..........
//     ... [LAST] wilderness foreign     =>  ... [tag] free [tag|gap] foreign ... [LAST] wilderness
//
// Blocks on both sides of a gap never merge. If other code grows the memory after each of our
// growths, each request that is larger than all before it takes new pages, and the heap may become
// the sum of all sizes: 45,450 pages for a buffer that grows by a page a step to 300 and is copied,
// 892 without foreign pages (alloc/conformance/pages_test.c). buddy takes 3,567, as it rounds sizes
// up; growing by more than is asked would do the same here, at that cost in every program that
// shares its memory.
//
// Every free merges at once:
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
//     block in heap       each has at least BOUNDARY_BYTES_MIN and ends at the last or before
//     previous flag       a tag says whether the block before it is free
//     repeated bytes      a free block's last word repeats its bytes
//     coalesced           no free block is next to another one or to the wilderness
//     gap                 a gap is never free, and ends 16 bytes into a page
// and those of the index, one of which is: every free block is in it, and nothing else.
#pragma once

#include "alloc/strategies/fit/tag_bits.h"
#include "alloc/strategies/strategy.h"

// Parameters. The strategy has defined block_index, the type of its index of the free blocks, which
// is empty if all zero, and defines the functions index_… that are declared below. Optional:
//     BOUNDARY_BYTES_MIN    of the smallest block: room for a free block's links and its last word
//     INDEX_MOVES           there is an index_move
//     INDEX_KNOWS_RESTS     there is an index_insert_rest, for the rest of a block that was split
#ifndef BOUNDARY_BYTES_MIN
#define BOUNDARY_BYTES_MIN LM_BLOCK_ALIGNMENT
#endif

enum { TAG_FLAGS = LM_BLOCK_ALIGNMENT - 1 }; // and those of tag_bits.h
#define TAG_BYTES (~(uint32_t)TAG_FLAGS)

// At heap_start. All offsets are from here, so functions need only this pointer; it is valid until
// the next growth, which may move the memory.
typedef struct heap {
    uint32_t top, last, clean;
    block_index index;
} heap;

enum { // the first block
    BOUNDARY_FIRST = (sizeof(heap) + LM_WORD_BYTES + LM_BLOCK_ALIGNMENT - 1) / LM_BLOCK_ALIGNMENT *
                     LM_BLOCK_ALIGNMENT
};

// The index. When these are called, the tags of the free blocks are written.
static inline uint32_t index_find(heap *h, uint32_t bytes); // a block of at least that, or 0
static void index_insert(heap *h, uint32_t block, uint32_t bytes);
static void index_remove(heap *h, uint32_t block);
#ifdef INDEX_MOVES // remove and insert; no other free block lies between the two places
static void index_move(heap *h, uint32_t from, uint32_t to, uint32_t bytes);
#endif
#ifdef INDEX_KNOWS_RESTS
static inline void index_insert_rest(heap *h, uint32_t block, uint32_t bytes, uint32_t taken);
#endif
static bool index_holds(heap *h, uint32_t block);            // for validate
static const char *index_law(heap *h, uint64_t free_blocks); // the first one broken, or NULL

typedef uint32_t __attribute__((may_alias)) word;

static inline heap *boundary_heap(const lm_memory *memory) {
    return lm_at(memory, memory->heap_start);
}
static inline void *boundary_address(heap *h, uint32_t offset) {
    return (unsigned char *)h + offset;
}
static inline uint32_t boundary_offset(heap *h, const void *address) {
    return (uint32_t)((uintptr_t)address - (uintptr_t)h);
}
static inline uint32_t boundary_memory_end(const lm_memory *memory) { // from the heap, modulo 2^32
    return (uint32_t)lm_memory_end(memory) - memory->heap_start;
}
static inline word *boundary_word(heap *h, uint32_t offset) {
    return boundary_address(h, offset);
}
static inline word *boundary_tag(heap *h, uint32_t block) {
    return boundary_word(h, block - LM_WORD_BYTES);
}
static inline word *boundary_bytes_before(heap *h, uint32_t block) {
    return boundary_word(h, block - 2 * LM_WORD_BYTES);
}
static inline uint32_t boundary_bytes(heap *h, uint32_t block) {
    return *boundary_tag(h, block) & TAG_BYTES;
}
static inline uint32_t boundary_wilderness(heap *h) {
    return h->top - h->last;
}
static inline uint32_t boundary_bytes_for(size_t size) {
    uint32_t bytes = lm_block_bytes(size);
    return bytes < BOUNDARY_BYTES_MIN ? BOUNDARY_BYTES_MIN : bytes;
}

static void boundary_make_free(heap *h, uint32_t block, uint32_t bytes) {
    *boundary_tag(h, block) = bytes | TAG_FREE;
    *boundary_bytes_before(h, block + bytes) = bytes;
    index_insert(h, block, bytes);
}

// Changes the start and the size of a free block.
static inline void boundary_move_free(heap *h, uint32_t from, uint32_t to, uint32_t bytes) {
#ifdef INDEX_MOVES
    index_move(h, from, to, bytes);
    *boundary_tag(h, to) = bytes | TAG_FREE;
    *boundary_bytes_before(h, to + bytes) = bytes;
#else
    index_remove(h, from);
    boundary_make_free(h, to, bytes);
#endif
}

// Takes the first `taken` bytes of a free block; the rest, of `bytes`, stays free.
static inline void boundary_make_rest(heap *h, uint32_t block, uint32_t bytes, uint32_t taken) {
#ifdef INDEX_KNOWS_RESTS
    index_remove(h, block);
    *boundary_tag(h, block + taken) = bytes | TAG_FREE;
    *boundary_bytes_before(h, block + taken + bytes) = bytes;
    index_insert_rest(h, block + taken, bytes, taken);
#else
    boundary_move_free(h, block, block + taken, bytes);
#endif
}

static inline void boundary_make_last(heap *h, uint32_t block) {
    *boundary_tag(h, block) = TAG_LAST;
    h->last = block;
}

// Frees a block that is not in the index, and merges it with its neighbours.
static void boundary_release(heap *h, uint32_t block) {
    uint32_t own = *boundary_tag(h, block), end = block + (own & TAG_BYTES),
             next = *boundary_tag(h, end), before = 0;
    *boundary_tag(h, block) = own | TAG_FREE; // also in a merged block: a second free traps
    if (own & TAG_PREVIOUS_FREE) block = before = block - *boundary_bytes_before(h, block);
    if (next & TAG_LAST) {
        if (before) index_remove(h, before);
        boundary_make_last(h, block);
        return;
    }
    uint32_t behind = next & TAG_FREE ? end : 0;
    if (behind)
        end += next & TAG_BYTES;
    else
        *boundary_tag(h, end) = next | TAG_PREVIOUS_FREE;
    if (before && behind) index_remove(h, behind);
    if (before || behind)
        boundary_move_free(h, before ? before : behind, block, end - block);
    else
        boundary_make_free(h, block, end - block);
}

// Shrinks a live block to `bytes` and frees the rest, if that is large enough for a block.
static void boundary_shrink(heap *h, uint32_t block, uint32_t bytes) {
    uint32_t rest = boundary_bytes(h, block) - bytes;
    if (rest < BOUNDARY_BYTES_MIN) return;
    *boundary_tag(h, block) -= rest;
    *boundary_tag(h, block + bytes) = rest;
    boundary_release(h, block + bytes);
}

// Makes a free block live, with at least `bytes`; the rest stays free.
static void boundary_take(heap *h, uint32_t block, uint32_t bytes) {
    uint32_t had = boundary_bytes(h, block);
    LM_CHECK((*boundary_tag(h, block) & TAG_FLAGS) == TAG_FREE && had >= bytes);
    LM_CHECK(*boundary_bytes_before(h, block + had) == had);
    if (had - bytes >= BOUNDARY_BYTES_MIN) {
        boundary_make_rest(h, block, had - bytes, bytes);
        *boundary_tag(h, block) = bytes;
    } else {
        index_remove(h, block);
        *boundary_tag(h, block) = had;
        *boundary_tag(h, block + had) &= ~(word)TAG_PREVIOUS_FREE;
    }
}

// Takes the first bytes of the wilderness, which has enough. Returns how many of them are dirty.
static uint32_t boundary_take_last(heap *h, uint32_t bytes) {
    uint32_t block = h->last, dirty = h->clean - block;
    LM_CHECK(*boundary_tag(h, block) == TAG_LAST && h->top - block >= bytes);
    *boundary_tag(h, block) = bytes;
    boundary_make_last(h, block + bytes);
    if (dirty > bytes) return bytes;
    h->clean = block + bytes;
    return dirty;
}

// After a growth that begins beyond the top: makes the wilderness a free block and the foreign
// pages a gap.
static void boundary_leave_gap(heap *h, uint32_t start) {
    uint32_t top = h->top, last = h->last, block = start + LM_BLOCK_ALIGNMENT;
    uint32_t flags = TAG_GAP;
    if (top - last >= BOUNDARY_BYTES_MIN) {
        boundary_make_free(h, last, top - last);
        flags |= TAG_PREVIOUS_FREE;
    } else if (BOUNDARY_BYTES_MIN > LM_BLOCK_ALIGNMENT &&
               top != last) { // no block: it is the gap's
        top = last;
    }
    *boundary_tag(h, top) = (block - top) | flags;
    boundary_make_last(h, block);
    h->clean = block;
}

// Grows the memory until the wilderness, which is too small, has `bytes`. Returns false if refused.
static bool boundary_extend(lm_memory *memory, uint32_t bytes) {
    heap *h = boundary_heap(memory);
    bool joins = boundary_memory_end(memory) == h->top;
    uint64_t missing =
        joins ? bytes - boundary_wilderness(h) : (uint64_t)bytes + LM_BLOCK_ALIGNMENT;
    uint32_t pages = (uint32_t)((missing + LM_PAGE_BYTES - 1) / LM_PAGE_BYTES);
    uint32_t before = lm_memory_grow(memory, pages);
    if (before == LM_GROW_REFUSED) return false;
    uint32_t start = before * LM_PAGE_BYTES - memory->heap_start; // modulo 2^32
    h = boundary_heap(memory);
    if (start != h->top) boundary_leave_gap(h, start);
    h->top = start + pages * LM_PAGE_BYTES;
    return true;
}

// Returns a live block of `bytes` from the wilderness, which grows if needed; 0 if out of memory.
static __attribute__((noinline)) uint32_t boundary_claim_last(lm_memory *memory, uint32_t bytes,
                                                              size_t *dirty) {
    if (boundary_wilderness(boundary_heap(memory)) < bytes && !boundary_extend(memory, bytes))
        return 0;
    heap *h = boundary_heap(memory);
    uint32_t block = h->last;
    *dirty = boundary_take_last(h, bytes);
    return block;
}

// Returns a live block of at least `bytes`, of which the first *dirty may not be zero; 0 if out of
// memory.
static inline uint32_t boundary_claim(lm_memory *memory, uint32_t bytes, size_t *dirty) {
    heap *h = boundary_heap(memory);
    uint32_t block = index_find(h, bytes);
    if (LM_UNLIKELY(!block)) return boundary_claim_last(memory, bytes, dirty);
    boundary_take(h, block, bytes);
    *dirty = SIZE_MAX;
    return block;
}

// Returns the offset of a live block. Level 1 checks its tag and those next to it.
static inline uint32_t boundary_live(const void *address, const lm_memory *memory) {
    uint32_t block = boundary_offset(boundary_heap(memory), address);
#if LM_CHECK_LEVEL >= 1
    LM_CHECK(lm_holds(memory, address) && block % LM_BLOCK_ALIGNMENT == 0);
    heap *h = boundary_heap(memory);
    uint32_t room = h->last - BOUNDARY_FIRST; // from the first block on, modulo 2^32
    LM_CHECK(block - BOUNDARY_FIRST < room);
    uint32_t own = *boundary_tag(h, block), bytes = own & TAG_BYTES;
    LM_CHECK((own & (TAG_FREE | TAG_GAP | TAG_LAST)) == 0 && bytes != 0 &&
             bytes <= room - (block - BOUNDARY_FIRST));
    LM_CHECK((*boundary_tag(h, block + bytes) & TAG_PREVIOUS_FREE) == 0);
    if (own & TAG_PREVIOUS_FREE) {
        uint32_t before = *boundary_bytes_before(h, block);
        LM_CHECK(before != 0 && before <= block - BOUNDARY_FIRST);
        LM_CHECK(*boundary_tag(h, block - before) == (before | TAG_FREE));
    }
#endif
    return block;
}

// The table's functions.

static bool boundary_start(lm_memory *memory) {
    if (!lm_reach(memory, (uint64_t)memory->heap_start + BOUNDARY_FIRST)) return false;
    heap *h = boundary_heap(memory);
    memset(h, 0, sizeof *h);
    h->top = h->clean = boundary_memory_end(memory);
    boundary_make_last(h, BOUNDARY_FIRST);
    return true;
}

static inline void *boundary_allocate_dirty(size_t size, size_t *dirty, lm_memory *memory) {
    if (LM_UNLIKELY(size > LM_SIZE_MAX)) return NULL;
    uint32_t block = boundary_claim(memory, boundary_bytes_for(size), dirty);
    return LM_LIKELY(block) ? boundary_address(boundary_heap(memory), block) : NULL;
}

static void *boundary_allocate(size_t size, lm_memory *memory) {
    size_t dirty;
    return boundary_allocate_dirty(size, &dirty, memory);
}

// Takes a block that has an aligned address with enough room, and frees the bytes before and after
// it, which are blocks of their own.
static void *boundary_allocate_aligned(size_t alignment, size_t size, lm_memory *memory) {
    if (alignment <= LM_BLOCK_ALIGNMENT) return boundary_allocate(size, memory);
    if (size > LM_SIZE_MAX - alignment - BOUNDARY_BYTES_MIN) return NULL;
    uint32_t lead = 2 * (BOUNDARY_BYTES_MIN - LM_BLOCK_ALIGNMENT); // if less is before it
    uint32_t bytes = boundary_bytes_for(size), step = (uint32_t)alignment;
    size_t dirty;
    uint32_t block = boundary_claim(memory, bytes + step - LM_BLOCK_ALIGNMENT + lead, &dirty);
    if (!block) return NULL;
    heap *h = boundary_heap(memory);
    uint32_t before = -(memory->heap_start + block) & (step - 1);
    if (before != 0) {
        if (before < BOUNDARY_BYTES_MIN) before += step;
        *boundary_tag(h, block + before) = boundary_bytes(h, block) - before;
        *boundary_tag(h, block) = before;
        boundary_release(h, block);
    }
    boundary_shrink(h, block + before, bytes);
    return boundary_address(h, block + before);
}

static void boundary_free(void *address, size_t size, lm_memory *memory) {
    if (LM_UNLIKELY(!address)) return;
    uint32_t block = boundary_live(address, memory);
    heap *h = boundary_heap(memory);
    LM_CHECK(size <= boundary_bytes(h, block) - LM_WORD_BYTES);
    (void)size;
    boundary_release(h, block);
}

static size_t boundary_usable_size(const void *address, lm_memory *memory) {
    return boundary_bytes(boundary_heap(memory), boundary_live(address, memory)) - LM_WORD_BYTES;
}

// A rest that is too small for a block stays with the block.
static uint64_t boundary_block_bytes_max(size_t size, size_t alignment) {
    (void)alignment;
    return (uint64_t)boundary_bytes_for(size) + BOUNDARY_BYTES_MIN - LM_BLOCK_ALIGNMENT;
}

// Resizes a block in place, into the free block or the wilderness behind it or into new memory.
// Returns false, with nothing changed, if there is no room.
static bool boundary_resize_in_place(uint32_t block, uint32_t bytes, lm_memory *memory) {
    heap *h = boundary_heap(memory);
    uint32_t had = boundary_bytes(h, block), end = block + had, next = *boundary_tag(h, end);
    if (bytes > had) {
        uint32_t more = bytes - had;
        if (next & TAG_LAST) {
            if (boundary_wilderness(h) < more &&
                (boundary_memory_end(memory) != h->top || !boundary_extend(memory, more)))
                return false;
            h = boundary_heap(memory);
            boundary_take_last(h, more);
        } else {
            if (!(next & TAG_FREE) || (next & TAG_BYTES) < more) return false;
            boundary_take(h, end, more);
        }
        *boundary_tag(h, block) += boundary_bytes(h, end);
        *boundary_tag(h, end) = 0; // no block begins there any more
    }
    boundary_shrink(h, block, bytes);
    return true;
}

static void *boundary_resize_aligned(void *address, size_t size, size_t alignment,
                                     lm_memory *memory) {
    uint32_t block = boundary_live(address, memory);
    if (size > LM_SIZE_MAX) return NULL;
    if (boundary_resize_in_place(block, boundary_bytes_for(size), memory))
        return boundary_address(boundary_heap(memory), block);
    size_t kept = boundary_bytes(boundary_heap(memory), block) - LM_WORD_BYTES;
    return lm_resize_by_copy(address, kept, size, alignment, memory, boundary_allocate_aligned,
                             boundary_free);
}

LM_ZEROED_AND_RESIZE(boundary)

// All bytes between two gaps become one free block, and those behind the last gap the wilderness.
static void boundary_reset(lm_memory *memory) {
    heap *h = boundary_heap(memory);
    memset(&h->index, 0, sizeof h->index);
    for (uint32_t first = BOUNDARY_FIRST, block = first;;) {
        uint32_t own = *boundary_tag(h, block);
        if (own & TAG_LAST) {
            boundary_make_last(h, first);
            return;
        }
        uint32_t end = block + (own & TAG_BYTES);
        if (own & TAG_GAP) { // may be the first tag: then nothing is between
            *boundary_tag(h, block) =
                block == first ? own & ~(uint32_t)TAG_PREVIOUS_FREE : own | TAG_PREVIOUS_FREE;
            if (block != first) boundary_make_free(h, first, block - first);
            first = end;
        } else if (LM_CHECK_LEVEL >= 1) {
            *boundary_tag(h, block) = own | TAG_FREE; // a pointer from before the reset traps
        }
        block = end;
    }
}

// The laws that one block can break.
static const char *boundary_block_law(heap *h, uint32_t gap_end, uint32_t block,
                                      bool previous_free) {
    uint32_t own = *boundary_tag(h, block), bytes = own & TAG_BYTES;
    if (bytes < BOUNDARY_BYTES_MIN || bytes > h->last - block) return "block in heap";
    if (!!(own & TAG_PREVIOUS_FREE) != previous_free) return "previous flag";
    if ((own & TAG_GAP) && ((own & TAG_FREE) || (block + bytes - gap_end) % LM_PAGE_BYTES != 0))
        return "gap";
    if (!(own & TAG_FREE)) return NULL;
    if (previous_free || block + bytes == h->last) return "coalesced";
    if (*boundary_bytes_before(h, block + bytes) != bytes) return "repeated bytes";
    return index_holds(h, block) ? NULL : "free blocks in the index";
}

static void boundary_count(heap *h, uint32_t block, lm_census *census) {
    uint32_t own = *boundary_tag(h, block), bytes = own & TAG_BYTES;
    if (own & TAG_GAP) {
        census->heap_bytes -= bytes - LM_BLOCK_ALIGNMENT;
    } else if (own & TAG_FREE) {
        census->free_blocks++;
        census->free_bytes += bytes;
    } else {
        census->live_blocks++;
        census->live_bytes += bytes;
    }
}

static const char *boundary_validate(lm_memory *memory, lm_census *census) {
    heap *h = boundary_heap(memory);
    uint64_t bytes = (uint32_t)(h->top - BOUNDARY_FIRST),
             end = memory->heap_start + BOUNDARY_FIRST + bytes;
    if (end % LM_PAGE_BYTES != 0 || end > lm_memory_end(memory)) return "top";
    uint32_t left = boundary_wilderness(h);
    if (left > bytes || h->top - h->clean > left) return "wilderness";
    lm_census seen = {.heap_bytes = BOUNDARY_FIRST + bytes};
    uint32_t gap_end = LM_BLOCK_ALIGNMENT - memory->heap_start; // of any, modulo a page
    bool previous_free = false;
    for (uint32_t block = BOUNDARY_FIRST; block != h->last; block += boundary_bytes(h, block)) {
        const char *broken = boundary_block_law(h, gap_end, block, previous_free);
        if (broken) return broken;
        previous_free = *boundary_tag(h, block) & TAG_FREE;
        boundary_count(h, block, &seen);
    }
    if (*boundary_tag(h, h->last) != TAG_LAST) return "wilderness";
    const char *broken = index_law(h, seen.free_blocks);
    if (broken) return broken;
    if (left) {
        seen.free_blocks++;
        seen.free_bytes += left;
    }
    if (census) *census = seen;
    return NULL;
}

#define BOUNDARY_CAPABILITIES                                                                      \
    (LM_FREES_BLOCKS | LM_BOUNDED_SEARCH | LM_RESIZES_IN_PLACE | LM_IN_LINEAR_MEMORY |             \
     LM_HOLDS_CONTENT)

// The bound of a strategy that grows the heap only if no free block fits.
static inline uint64_t boundary_heap_bytes_max(const lm_demand *demand) {
    uint64_t fit = demand->block_bytes + demand->alignment;
    return lm_heap_bytes(lm_gaps_bound(demand, fit), BOUNDARY_FIRST);
}
