// buddy: blocks are powers of two; a free block merges with its buddy, whose position differs in
// one bit.
//
// Idea: a block of 2^k bytes lies at a multiple of 2^k. A split gives two buddies of half the size;
// when both are free again, they merge at once. Free blocks are in a list for each order. Blocks
// have no headers: two bitmaps hold all that is known of them.
//
// Source: K. Knowlton, "A fast storage allocator", CACM 8 (1965); Knuth, The Art of Computer
// Programming 1, 2.5, algorithms R and S. Knuth's blocks carry tags; here they are bits.
//
// Layout: the maps and their table are page_maps.inc.h. A position is a granule of 16 bytes, order
// 0. `begins` is set where a block begins, `free` if that block is free. A split sets the bit in
// the middle of a block, and no other block can begin there: so the one bitmap is the tree of all
// splits.
//
//     begins   1 . . . 1 . 1 1 1 . . . . . . .     order of the block at g: the least k such that
//     orders   |   2   | 1 |0|0|      3      |     g is an odd multiple of 2^k, or a block begins
//                                                  at g + 2^k
//     buddy of g at order k: g ^ 2^k. It is whole and free if begins and free are set there, and no
//     block begins in its middle, at + 2^(k-1).
//
// A free block begins with two links, positions; they are cleared when it leaves its list, so that
// memory that was never used reads as zero. Foreign memory is never free, so nothing merges with
// it.
//
//     [next|prev] ...
//
// Laws, besides those of page_maps.inc.h (validate's names):
//     blocks   they tile our pages, and nothing begins or is free inside of one
//     merged   no two buddies are free
//     lists    a free block is in its order's list once, and nothing else is
//     orders   a bit is set if a list is not empty
//     clean    no live block lies beyond what counts as written
//
// Time: allocate and free split or merge at most 28 orders. A resize in place splits as many, or
// takes at most one free block of each; a call that grows the memory visits no more than two of
// each order besides, and frees as many. steps_test counts 125 steps for allocate and free, 475 for
// a resize. The table's move is O(1) amortised over the pages added. Resize that copies and
// allocate_zeroed O(size), reset O(table), validate O(heap).
// Space: none in blocks; 1.6 % of the memory for the table, 2 to 3 % after it has moved; 136 bytes
// for the heap. A request takes the next power of two: a quarter of it is unused if sizes are
// spread evenly, half at worst. The heap grows up to a multiple of the block's size.
//
// Bound: M(1 + log2 n) and a few blocks of n, for M live bytes at most, rounded up, in blocks of up
// to n granules; for any allocator that does not move blocks some order of requests needs about
// M(1 + log2(n) / 2) (Robson 1971). Cut the memory into windows of 2^k. P(k), the bytes of those in
// which only smaller blocks live, grows only when a block of 2^i < 2^k splits a free one of 2^k or
// more. Then no free block of 2^i to 2^(k-1) is there, so in all windows of 2^k that are not free
// all windows of 2^i are not either, which are M + P(i) bytes at most: P(k) <= M + P(i) + 2^k. The
// memory grows for 2^k only when no window of it is free: at P(k) + M. In practice the loss is
// inside the blocks (Peterson and Norman 1977).
//
// Good at: bounded time, sizes near powers of two, alignment, which costs nothing. Bad at: other
// sizes.
#include "alloc/strategies/maps/page_maps.inc.h"

#ifndef ORDERS // from 16 bytes up
#define ORDERS LM_GEOMETRY(28, 9)
#endif

_Static_assert(ORDERS > PAGE_ORDER && ORDERS <= 28, "from a page to half of the memory");
#define SIZE_LIMIT ((uint32_t)LM_BLOCK_ALIGNMENT << (ORDERS - 1))

typedef struct heap {
    page_maps maps;
    uint32_t orders; // which lists are not empty
    uint32_t free[ORDERS];
} heap;

// What a free block begins with.
typedef struct links {
    uint32_t next, prev; // 0: none
} __attribute__((may_alias)) links;

static inline heap *buddy_heap(const lm_memory *m) {
    return lm_at(m, m->heap_start);
}
static inline links *buddy_links(const lm_memory *m, uint32_t block) {
    return lm_at(m, block << GRANULE_SHIFT);
}
static inline uint32_t buddy_granules(uint32_t order) {
    return (uint32_t)1 << order;
}

// The least order that serves a size up to SIZE_LIMIT.
static inline uint32_t buddy_order_for(size_t size, size_t alignment) {
    uint32_t bytes = (uint32_t)(size < alignment ? alignment : size);
    if (bytes <= LM_BLOCK_ALIGNMENT) return 0;
    return 32 - GRANULE_SHIFT - (uint32_t)__builtin_clz(bytes - 1);
}

static inline uint32_t buddy_order(const lm_memory *m, uint32_t block) {
    uint32_t order = 0, end = maps_end(m);
    while (order < ORDERS - 1 && !(block >> order & 1) && block + buddy_granules(order) < end &&
           !maps_begins(m, block + buddy_granules(order)))
        order++;
    return order;
}

// ---- Free blocks -------------------------------------------------------------------------------

static void buddy_list_insert(const lm_memory *m, uint32_t block, uint32_t order) {
    heap *h = buddy_heap(m);
    map_word *word = maps_word(m, block);
    word->begins |= maps_bit(block);
    word->free |= maps_bit(block);
    uint32_t next = h->free[order];
    *buddy_links(m, block) = (links){.next = next};
    if (next) buddy_links(m, next)->prev = block;
    h->free[order] = block;
    h->orders |= 1u << order;
}

static void buddy_list_remove(const lm_memory *m, uint32_t block, uint32_t order) {
    heap *h = buddy_heap(m);
    links *l = buddy_links(m, block), old = *l;
    LM_CHECK(maps_begins(m, block) && maps_is_free(m, block));
    LM_CHECK(old.prev ? buddy_links(m, old.prev)->next == block : h->free[order] == block);
    LM_CHECK(!old.next || buddy_links(m, old.next)->prev == block);
    *l = (links){0};
    maps_word(m, block)->free ^= maps_bit(block);
    if (old.next) buddy_links(m, old.next)->prev = old.prev;
    if (old.prev)
        buddy_links(m, old.prev)->next = old.next;
    else if (!(h->free[order] = old.next))
        h->orders ^= 1u << order;
}

// Whether the block at a position is free and of the order, and not split.
static bool buddy_is_whole(const lm_memory *m, uint32_t block, uint32_t order) {
    if (block / PAGE_GRANULES < maps_of(m)->first) return false;
    if (block + buddy_granules(order) > maps_end(m)) return false;
    if (!maps_begins(m, block) || !maps_is_free(m, block)) return false;
    return order == 0 || !maps_begins(m, block + buddy_granules(order - 1));
}

// Frees a block that is in no list, merged with its buddies:
//     [ this ][ free ]  =>  [ --- this --- ]
//     [ free ][ this ]  =>  [ --- free --- ]
static void buddy_release(const lm_memory *m, uint32_t block, uint32_t order) {
    for (; order < ORDERS - 1; order++) {
        uint32_t buddy = block ^ buddy_granules(order);
        if (!buddy_is_whole(m, buddy, order)) break;
        buddy_list_remove(m, buddy, order);
        uint32_t middle = block | buddy;
        maps_word(m, middle)->begins &= ~maps_bit(middle);
        block &= buddy;
    }
    buddy_list_insert(m, block, order);
}

// The order of the largest block that may begin at `from` and ends at `to` or before.
static uint32_t buddy_order_within(uint32_t from, uint32_t to) {
    uint32_t order = 31 - (uint32_t)__builtin_clz(to - from);
    uint32_t at_most = (uint32_t)__builtin_ctz(from | buddy_granules(ORDERS - 1));
    return order < at_most ? order : at_most;
}

// Frees a range as the largest blocks that fit into it.
static void open_range(lm_memory *m, uint32_t from, uint32_t to) {
    for (uint32_t order; from < to; from += buddy_granules(order)) {
        order = buddy_order_within(from, to);
        buddy_release(m, from, order);
    }
}

// Whether a range that no free block extends beyond is all free. As no two buddies are free, it is
// if each of the largest blocks that fit into it is there whole. O(orders).
static bool buddy_all_free(const lm_memory *m, uint32_t from, uint32_t to) {
    for (uint32_t order; from < to; from += buddy_granules(order)) {
        order = buddy_order_within(from, to);
        if (!buddy_is_whole(m, from, order)) return false;
    }
    return true;
}

// Halves a block that is in no list until it has the order; the upper halves become free.
static void buddy_split(const lm_memory *m, uint32_t block, uint32_t order, uint32_t to) {
    while (order > to) {
        order--;
        buddy_list_insert(m, block + buddy_granules(order), order);
    }
}

// Grows the memory until a block of the order is free, in the free end or behind it.
static bool buddy_grow(lm_memory *m, uint32_t order) {
    uint32_t end = maps_end(m), tail = end & ~(buddy_granules(order) - 1);
    bool ours = tail / PAGE_GRANULES >= maps_of(m)->first && buddy_all_free(m, tail, end);
    return maps_grow(m, ours ? tail : end, buddy_granules(order), buddy_granules(order)) != 0;
}

// Returns a live block of the order, of which the first *dirty bytes may not be zero; 0 if out of
// memory.
static uint32_t buddy_claim(lm_memory *m, uint32_t order, size_t *dirty) {
    if (!(buddy_heap(m)->orders >> order) && !buddy_grow(m, order)) return 0;
    heap *h = buddy_heap(m);
    uint32_t from = order + (uint32_t)__builtin_ctz(h->orders >> order), block = h->free[from];
    buddy_list_remove(m, block, from);
    buddy_split(m, block, from, order);
    *dirty = maps_mark_dirty(m, block, block + buddy_granules(order));
    return block;
}

// ---- The table's functions ---------------------------------------------------------------------

static bool buddy_start(lm_memory *m) {
    return maps_start(m, sizeof(heap));
}

static inline void *buddy_allocate_at(size_t alignment, size_t size, size_t *dirty, lm_memory *m) {
    if (LM_UNLIKELY(size > SIZE_LIMIT)) return NULL;
    uint32_t block = buddy_claim(m, buddy_order_for(size, alignment), dirty);
    return LM_LIKELY(block) ? lm_at(m, block << GRANULE_SHIFT) : NULL;
}

MAPS_ALLOCATES(buddy)

static void buddy_free(void *address, size_t size, lm_memory *m) {
    if (LM_UNLIKELY(!address)) return;
    uint32_t block = maps_live(m, address), order = buddy_order(m, block);
    LM_CHECK(size <= buddy_granules(order) << GRANULE_SHIFT);
    (void)size;
    buddy_release(m, block, order);
}

static size_t buddy_usable_size(const void *address, lm_memory *m) {
    return (size_t)buddy_granules(buddy_order(m, maps_live(m, address))) << GRANULE_SHIFT;
}

static uint64_t buddy_block_bytes_max(size_t size, size_t alignment) {
    if (size > SIZE_LIMIT) return (uint64_t)UINT32_MAX + 1;
    return (uint64_t)buddy_granules(buddy_order_for(size, alignment)) << GRANULE_SHIFT;
}

// Extends a block in place into its buddies, if they are above it and free or new.
static bool buddy_expand(lm_memory *m, uint32_t block, uint32_t order, uint32_t to) {
    uint32_t from = block + buddy_granules(order), target = block + buddy_granules(to),
             end = maps_end(m);
    if (block & (buddy_granules(to) - 1)) return false;
    if (target > end) {
        if (lm_memory_pages(m) != maps_of(m)->end || !buddy_all_free(m, from, end)) return false;
        if (!maps_grow(m, block, buddy_granules(to), buddy_granules(to))) return false;
    } else if (!buddy_all_free(m, from, target)) {
        return false;
    }
    for (; order < to; order++, from = block + buddy_granules(order)) { // its buddy, of each order
        buddy_list_remove(m, from, order);
        maps_word(m, from)->begins ^= maps_bit(from);
    }
    maps_mark_dirty(m, block, target);
    return true;
}

static void *buddy_resize_aligned(void *address, size_t size, size_t alignment, lm_memory *m) {
    uint32_t block = maps_live(m, address), order = buddy_order(m, block);
    if (size > SIZE_LIMIT) return NULL;
    uint32_t to = buddy_order_for(size, alignment);
    if (to <= order)
        buddy_split(m, block, order, to);
    else if (!buddy_expand(m, block, order, to))
        return lm_resize_by_copy(lm_at(m, block << GRANULE_SHIFT),
                                 (size_t)buddy_granules(order) << GRANULE_SHIFT, size, alignment, m,
                                 buddy_allocate_aligned, buddy_free);
    return lm_at(m, block << GRANULE_SHIFT);
}

LM_ZEROED_AND_RESIZE(buddy)

static void buddy_reset(lm_memory *m) {
    heap *h = buddy_heap(m);
    for (uint32_t order = 0; order < ORDERS; order++)
        while (h->free[order]) // their links must not be left in clean memory
            buddy_list_remove(m, h->free[order], order);
    maps_reset(m, sizeof(heap));
}

// ---- The walk ----------------------------------------------------------------------------------

static const char *buddy_lists_law(const lm_memory *m, uint64_t free_blocks) {
    const heap *h = buddy_heap(m);
    uint64_t listed = 0;
    for (uint32_t order = 0; order < ORDERS; order++) {
        if ((h->orders >> order & 1) != (h->free[order] != 0)) return "orders";
        for (uint32_t block = h->free[order], prev = 0, next; block; prev = block, block = next) {
            if (++listed > free_blocks || block >= maps_end(m) || !buddy_is_whole(m, block, order))
                return "lists";
            if (buddy_order(m, block) != order || buddy_links(m, block)->prev != prev)
                return "lists";
            next = buddy_links(m, block)->next;
        }
    }
    return listed == free_blocks ? NULL : "lists";
}

// Adds a block to the census.
static const char *buddy_block_law(const lm_memory *m, uint32_t block, uint32_t order,
                                   lm_census *census) {
    uint64_t bytes = (uint64_t)buddy_granules(order) << GRANULE_SHIFT;
    if (!maps_is_free(m, block)) {
        census->live_blocks++;
        census->live_bytes += bytes;
        return block + buddy_granules(order) > maps_of(m)->clean ? "clean" : NULL;
    }
    census->free_blocks++;
    census->free_bytes += bytes;
    return order < ORDERS - 1 && buddy_is_whole(m, block ^ buddy_granules(order), order) ? "merged"
                                                                                         : NULL;
}

static const char *buddy_validate(lm_memory *m, lm_census *out) {
    lm_census census = {0};
    uint32_t block, closed = 0, bits = 0;
    const char *broken = maps_law(m, sizeof(heap), &block, &census);
    if (broken) return broken;
    for (uint32_t order; block < maps_end(m); block += buddy_granules(order)) {
        bool is_closed = *maps_note(m, block / PAGE_GRANULES) & PAGE_CLOSED;
        if (is_closed && block % PAGE_GRANULES != 0) return "blocks";
        order = is_closed ? PAGE_ORDER : buddy_order(m, block);
        closed += is_closed;
        if (!maps_begins(m, block) || buddy_granules(order) > maps_end(m) - block) return "blocks";
        if (!is_closed && (broken = buddy_block_law(m, block, order, &census))) return broken;
    }
    const map_word *word = maps_word(m, maps_of(m)->first * PAGE_GRANULES);
    for (const map_word *end = maps_word(m, maps_end(m)); word < end; word++) {
        if (word->free & ~word->begins) return "blocks";
        if (word->begins) bits += (uint32_t)__builtin_popcountll(word->begins);
    }
    if (bits != census.live_blocks + census.free_blocks + closed) return "blocks";
    broken = buddy_lists_law(m, census.free_blocks);
    if (!broken && out) *out = census;
    return broken;
}

// To the bound are added a window that is not all ours at each end of the heap, of the table and of
// foreign pages, one where the memory grows, and the 2^(k+1) by which the sum over P(k) exceeds it.
static uint64_t buddy_heap_bytes_max(const lm_demand *demand) {
    uint64_t most = demand->block_bytes, windows = 2 * demand->foreign_growths + 10;
    uint64_t by_orders = demand->live_bytes * (1 + lm_granules_log2(most));
    uint64_t by_blocks = demand->live_bytes + demand->live_blocks * most;
    uint64_t bytes = by_orders < by_blocks ? by_orders : by_blocks;
    return maps_heap_bytes(demand, bytes + windows * most, sizeof(heap));
}

LM_STRATEGY(buddy, buddy, .idea = "powers of two that split and merge; bitmaps, no headers",
            .bound = "17/16 of M (1 + log2 n) + 10 n",
            .capabilities = LM_FREES_BLOCKS | LM_BOUNDED_SEARCH | LM_RESIZES_IN_PLACE |
                            LM_IN_LINEAR_MEMORY | LM_HOLDS_CONTENT | LM_CONSTANT_TIME | LM_MERGES,
            .allocate_dirty = buddy_allocate_dirty, .heap_bytes_max = buddy_heap_bytes_max);
