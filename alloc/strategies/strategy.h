// What every strategy file includes: checks, offsets, and the name of its table.
//
// A strategy is compiled once for each check level. All its functions are static; it defines one
// object, LM_TABLE(name), which the registry finds by that name.
#pragma once

#include "alloc/allocator.h"

#include <string.h>

#ifndef LM_CHECK_LEVEL
#define LM_CHECK_LEVEL 0
#endif

#define LM_PASTE_(a, b, c)  a##b##c
#define LM_PASTE(a, b, c)   LM_PASTE_(a, b, c)
#define LM_TABLE_(name, lv) LM_PASTE(lm_##name, _level, lv)
#define LM_TABLE(name)      LM_TABLE_(name, LM_CHECK_LEVEL)

// A law that must hold, at check level 1 and above: it costs constant time, and traps where broken.
#if LM_CHECK_LEVEL >= 1
#define LM_CHECK(law) ((law) ? (void)0 : __builtin_trap())
#else
#define LM_CHECK(law) ((void)0)
#endif

// The same for laws that take longer to see, at check level 2.
#if LM_CHECK_LEVEL >= 2
#define LM_CHECK_SLOW(law) LM_CHECK(law)
#else
#define LM_CHECK_SLOW(law) ((void)0)
#endif

#define LM_LIKELY(x)   __builtin_expect(!!(x), 1)
#define LM_UNLIKELY(x) __builtin_expect(!!(x), 0)

// The bytes at an offset, and the offset of a block: a link is an offset, 0 is no link.
static inline void *lm_at(const lm_memory *memory, uint32_t offset) {
    return lm_memory_base(memory) + offset;
}
static inline uint32_t lm_offset(const lm_memory *memory, const void *address) {
    return (uint32_t)((uintptr_t)address - (uintptr_t)lm_memory_base(memory));
}

// Rounds up to a multiple of `to`, a power of two; the sum must not wrap.
static inline uint32_t lm_round_up(uint32_t n, uint32_t to) { return (n + to - 1) & ~(to - 1); }

// The end of the memory, up to 2^32.
static inline uint64_t lm_memory_end(const lm_memory *memory) {
    return (uint64_t)lm_memory_pages(memory) * LM_PAGE_BYTES;
}
