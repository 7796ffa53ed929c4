// What every strategy includes: its table of functions, its geometry, checks, offsets and growth.
//
// A strategy is compiled once for each check level. All its functions are static; it defines one
// object, its table, with LM_STRATEGY; the registry finds it as LM_TABLE(name).
#pragma once

#include "alloc/allocator.h"
#include "alloc/check.h"

// All that strategies (and the layers above them, for memmove) need of a C library. Freestanding
// code has no <string.h>.
void *memcpy(void *restrict to, const void *restrict from, size_t count);
void *memmove(void *to, const void *from, size_t count);
void *memset(void *to, int byte, size_t count);

#ifndef LM_VARIANT // the suffix of the table; defined for compilations other than the registry's
#define LM_VARIANT LM_PASTE(_, level, LM_CHECK_LEVEL)
#endif
#define LM_PASTE_(a, b, c) a##b##c
#define LM_PASTE(a, b, c)  LM_PASTE_(a, b, c)
#define LM_TABLE(name)     LM_PASTE(lm_, name, LM_VARIANT)

// Defines the table of a strategy: its name, the functions that every table has, prefix##_start and
// so on, and the rest as given: idea, bound, capabilities and the optional functions.
#define LM_STRATEGY(strategy, prefix, ...)                                                         \
    const lm_allocator LM_TABLE(strategy) = {                                                      \
        .name = #strategy,                                                                         \
        .check_level = LM_CHECK_LEVEL,                                                             \
        .start = prefix##_start,                                                                   \
        .allocate = prefix##_allocate,                                                             \
        .allocate_zeroed = prefix##_allocate_zeroed,                                               \
        .allocate_aligned = prefix##_allocate_aligned,                                             \
        .resize = prefix##_resize,                                                                 \
        .resize_aligned = prefix##_resize_aligned,                                                 \
        .free = prefix##_free,                                                                     \
        .usable_size = prefix##_usable_size,                                                       \
        .block_bytes_max = prefix##_block_bytes_max,                                               \
        .reset = prefix##_reset,                                                                   \
        .validate = prefix##_validate,                                                             \
        __VA_ARGS__,                                                                               \
    }

// A number of a strategy's geometry. The explorer compiles strategies with the second one, so that
// a few operations fill a table, a bin or a slab.
#ifdef LM_TINY
#define LM_GEOMETRY(full, tiny) (tiny)
#else
#define LM_GEOMETRY(full, tiny) (full)
#endif

// The address of an offset, and the offset of an address. A link is an offset, 0 is no link.
static inline void *lm_at(const lm_memory *memory, uint32_t offset) {
#ifdef __wasm__
    // Not null + offset: LLVM takes a function that returns that for one that returns fresh memory,
    // and drops stores (clang 19: FunctionAttrs ignores the addition and sees only null).
    (void)memory;
    return (void *)(uintptr_t)offset;
#else
    return lm_memory_base(memory) + offset;
#endif
}
static inline uint32_t lm_offset(const lm_memory *memory, const void *address) {
    return (uint32_t)((uintptr_t)address - (uintptr_t)lm_memory_base(memory));
}

// Rounds up to a multiple of `to`, a power of two; the sum must not wrap.
static inline uint32_t lm_round_up(uint32_t n, uint32_t to) {
    return (n + to - 1) & ~(to - 1);
}

// The end of the memory, up to 2^32.
static inline uint64_t lm_memory_end(const lm_memory *memory) {
    return (uint64_t)lm_memory_pages(memory) * LM_PAGE_BYTES;
}

// Whether an address is within the memory.
static inline bool lm_holds(const lm_memory *memory, const void *address) {
    return (uintptr_t)address - (uintptr_t)lm_memory_base(memory) < lm_memory_end(memory);
}

// Grows the memory, if needed, to end at `end` or beyond. Returns false if the growth is refused.
static inline bool lm_reach(lm_memory *memory, uint64_t end) {
    uint64_t have = lm_memory_end(memory);
    if (end <= have) return true;
    uint64_t pages = (end - have + LM_PAGE_BYTES - 1) / LM_PAGE_BYTES;
    return lm_memory_grow(memory, (uint32_t)pages) != LM_GROW_REFUSED;
}

// Blocks of a word and a payload. Payloads are 16 bytes or a multiple of it apart, and each has its
// word just before it, so a block of 16 bytes serves 12. LM_SIZE_MAX is the largest size that fits
// into 32 bits with its word, rounded up.
enum { LM_WORD_BYTES = 4 };
#define LM_SIZE_MAX (UINT32_MAX - LM_BLOCK_ALIGNMENT - LM_WORD_BYTES)

static inline uint32_t lm_block_bytes(size_t size) {
    return lm_round_up((uint32_t)size + LM_WORD_BYTES, LM_BLOCK_ALIGNMENT);
}

// Terms of heap_bytes_max.

// log2, rounded up, of the number of granules of 16 bytes in a block.
static inline uint64_t lm_granules_log2(uint64_t block_bytes) {
    uint64_t granules = block_bytes / LM_BLOCK_ALIGNMENT;
    return granules > 1 ? 64 - (uint64_t)__builtin_clzll(granules - 1) : 0;
}

// If free neighbours merge, and the heap grows for a block only if no free range has `fit` bytes,
// less than that is free before each live block, before each foreign range, and at the end; and as
// much once more, since a block at the end grows there whatever is free elsewhere.
static inline uint64_t lm_gaps_bound(const lm_demand *demand, uint64_t fit) {
    return demand->live_bytes + (demand->live_blocks + demand->foreign_growths + 2) * fit;
}

// The same for first fit by address, M(2 + log2 n), if that is less and no alignment makes a
// request larger than its block. Let x(t) be the highest place where a block of t granules or less
// was ever put. A block of s is put at x(s) only if each gap below is shorter, and each live block
// above x(t) has more than t; so at least t / (t + s) of the bytes above x(t) are live, and all
// these together are at most M. These inequalities for each s up to n, with the
// weight 1 / s, and once more that for n, add up to x(n) <= M(ln n + 2 ln 2) / ln 2.
static inline uint64_t lm_first_fit_bound(const lm_demand *demand) {
    uint64_t largest = demand->block_bytes, alignment = demand->alignment;
    uint64_t gaps = lm_gaps_bound(demand, largest + alignment);
    uint64_t bytes = demand->live_bytes * (2 + lm_granules_log2(largest)) +
                     (demand->foreign_growths + 2) * largest;
    return alignment <= LM_BLOCK_ALIGNMENT && bytes < gaps ? bytes : gaps;
}

// The bytes of a heap with these bytes of blocks and gaps: whole pages, records included.
static inline uint64_t lm_heap_bytes(uint64_t blocks_bytes, uint64_t own_bytes) {
    return blocks_bytes + own_bytes + LM_PAGE_BYTES;
}

// allocate_zeroed by allocate_dirty: clears the bytes that may not be zero.
static inline void *lm_allocate_zeroed(void *(*allocate_dirty)(size_t, size_t *, lm_memory *),
                                       size_t size, lm_memory *memory) {
    size_t dirty;
    void *block = allocate_dirty(size, &dirty, memory);
    return block ? memset(block, 0, size < dirty ? size : dirty) : NULL;
}

// Defines two functions of a table by two others: allocate_zeroed by prefix##_allocate_dirty, and
// resize by prefix##_resize_aligned.
#define LM_ZEROED_AND_RESIZE(prefix)                                                               \
    static void *prefix##_allocate_zeroed(size_t size, lm_memory *memory) {                        \
        return lm_allocate_zeroed(prefix##_allocate_dirty, size, memory);                          \
    }                                                                                              \
    static void *prefix##_resize(void *address, size_t size, lm_memory *memory) {                  \
        return prefix##_resize_aligned(address, size, LM_BLOCK_ALIGNMENT, memory);                 \
    }

// A resize that moves: allocates a new block, copies the first `kept` bytes at most, and releases
// the old one, whose address may change if the growth moves the base. Returns NULL, with the old
// block unchanged, if out of memory.
static inline void *lm_resize_by_copy(void *block, size_t kept, size_t size, size_t alignment,
                                      lm_memory *memory,
                                      void *(*allocate_aligned)(size_t, size_t, lm_memory *),
                                      void (*release)(void *, size_t, lm_memory *)) {
    uint32_t from = lm_offset(memory, block);
    void *to = allocate_aligned(alignment, size, memory);
    if (!to) return NULL;
    memcpy(to, lm_at(memory, from), kept < size ? kept : size);
    release(lm_at(memory, from), 0, memory);
    return to;
}
