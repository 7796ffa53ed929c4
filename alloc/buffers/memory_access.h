// Access to several memories: the layers above the strategies access bytes and blocks of memories
// only through these functions.
//
// Memories have numbers. Number 0 is *home*, which holds the buffer table's records
// (alloc/buffers/buffer.h) and which C always accesses by pointers. Natively all memories are
// accessed so. On wasm32 a C pointer refers to memory 0, so the others are accessed by imported
// functions (module "linmem"), which the embedder supplies in a few lines of WebAssembly or
// JavaScript.
//
// The caller checks that offsets and ranges are within the memory. Accesses are not atomic; the
// program synchronizes threads that share bytes.
#pragma once

#include "alloc/buffers/memories.h"
#include "alloc/strategies/strategy.h"

#ifdef __wasm__
#define LM_IMPORT(name) __attribute__((import_module("linmem"), import_name(#name)))
LM_IMPORT(allocate) uint32_t lm_import_allocate(uint32_t memory, uint32_t size);
LM_IMPORT(resize) uint32_t lm_import_resize(uint32_t memory, uint32_t block, uint32_t size);
LM_IMPORT(free) void lm_import_free(uint32_t memory, uint32_t block);
LM_IMPORT(load) uint64_t lm_import_load(uint32_t memory, uint32_t offset, uint32_t bytes);
LM_IMPORT(store)
void lm_import_store(uint32_t memory, uint32_t offset, uint32_t bytes, uint64_t value);
LM_IMPORT(copy)
void lm_import_copy(uint32_t to_memory, uint32_t to, uint32_t from_memory, uint32_t from,
                    uint32_t bytes);
LM_IMPORT(fill)
void lm_import_fill(uint32_t memory, uint32_t offset, uint32_t byte, uint32_t bytes);
LM_IMPORT(pages) uint32_t lm_import_pages(uint32_t memory);
#define LM_ELSEWHERE(memory, ...)                                                                  \
    if ((memory) != LM_HOME) return __VA_ARGS__
#define LM_ELSEWHERE_CALL(memory, call)                                                            \
    if ((memory) != LM_HOME) {                                                                     \
        call;                                                                                      \
        return;                                                                                    \
    }
#else
#define LM_ELSEWHERE(memory, ...)       ((void)0)
#define LM_ELSEWHERE_CALL(memory, call) ((void)0)
#endif

// Allocators are called between lm_access_enter and lm_access_leave.
//
// A strategy (LM_IN_LINEAR_MEMORY) calls no other code. Any other allocator is foreign code, which
// may call the buffer table from inside these calls.
//
// With threads, one lock serializes the calls of all allocators. A thread that has the lock need
// not take it again: then foreign code calls back. A foreign allocator that states
// LM_SHARES_THREADS has locks of its own and is called without this one. The buffer table holds no
// other lock meanwhile. There is no deadlock if foreign code holds no lock of its own while it
// calls the buffer table.

static inline bool lm_access_is_foreign(const lm_memories *all, uint32_t memory) {
    LM_ELSEWHERE(memory, true);
    return !(all->at[memory].allocator->capabilities & LM_IN_LINEAR_MEMORY);
}

// Counts calls of foreign code in progress, of all threads: one more, or one less (UINT32_MAX).
static inline void lm_access_count_foreign(lm_memories *all, uint32_t more) {
    if (LM_UNLIKELY(all->threads))
        __atomic_add_fetch(&all->foreign, more, __ATOMIC_RELAXED);
    else
        all->foreign += more;
}

// With threads: takes the allocators' lock. Returns false if it is not needed or the thread has it.
bool lm_access_lock(lm_memories *all, uint32_t memory);
bool lm_access_has_lock(const lm_memories *all);
void lm_access_unlock(lm_memories *all);

// Returns `locked`, an argument of lm_access_leave.
static inline bool lm_access_enter(lm_memories *all, uint32_t memory) {
    if (LM_UNLIKELY(lm_access_is_foreign(all, memory))) lm_access_count_foreign(all, 1);
    return LM_UNLIKELY(all->threads) && lm_access_lock(all, memory);
}
static inline void lm_access_leave(lm_memories *all, uint32_t memory, bool locked) {
    if (LM_UNLIKELY(locked)) lm_access_unlock(all);
    if (LM_UNLIKELY(lm_access_is_foreign(all, memory))) lm_access_count_foreign(all, UINT32_MAX);
}

// Allocates a block with the allocator's default alignment. Returns its offset, or 0 if out of
// memory.
static inline uint32_t lm_access_allocate(const lm_memories *all, uint32_t memory, uint32_t size) {
    LM_ELSEWHERE(memory, lm_import_allocate(memory, size));
    const lm_served *s = &all->at[memory];
    void *block = s->allocator->allocate(size, s->memory);
    return block ? lm_offset(s->memory, block) : 0;
}

// Resizes such a block. Returns its offset, which may be a new one, or 0 if out of memory; the
// block is then unchanged.
static inline uint32_t lm_access_resize(const lm_memories *all, uint32_t memory, uint32_t block,
                                        uint32_t size) {
    LM_ELSEWHERE(memory, lm_import_resize(memory, block, size));
    const lm_served *s = &all->at[memory];
    void *resized = s->allocator->resize(lm_at(s->memory, block), size, s->memory);
    return resized ? lm_offset(s->memory, resized) : 0;
}

// Whether the memory's allocator has resize_aligned, which lm_access_resize_aligned calls.
static inline bool lm_access_keeps_aligned(const lm_memories *all, uint32_t memory) {
    LM_ELSEWHERE(memory, false);
    return all->at[memory].allocator->resize_aligned != NULL;
}
static inline uint32_t lm_access_resize_aligned(const lm_memories *all, uint32_t memory,
                                                uint32_t block, uint32_t size, uint32_t alignment) {
    LM_ELSEWHERE(memory, 0);
    const lm_served *s = &all->at[memory];
    void *resized =
        s->allocator->resize_aligned(lm_at(s->memory, block), size, alignment, s->memory);
    return resized ? lm_offset(s->memory, resized) : 0;
}

// Frees a block. `size` is the size asked for, or 0 if unknown.
static inline void lm_access_free(const lm_memories *all, uint32_t memory, uint32_t block,
                                  uint32_t size) {
    LM_ELSEWHERE_CALL(memory, lm_import_free(memory, block));
    const lm_served *s = &all->at[memory];
    s->allocator->free(lm_at(s->memory, block), size, s->memory);
}

// Whether the memory's allocator has allocate_aligned, which lm_access_allocate_aligned calls.
static inline bool lm_access_aligns(const lm_memories *all, uint32_t memory) {
    LM_ELSEWHERE(memory, false);
    return all->at[memory].allocator->allocate_aligned != NULL;
}
static inline uint32_t lm_access_allocate_aligned(const lm_memories *all, uint32_t memory,
                                                  uint32_t alignment, uint32_t size) {
    LM_ELSEWHERE(memory, 0);
    const lm_served *s = &all->at[memory];
    void *block = s->allocator->allocate_aligned(alignment, size, s->memory);
    return block ? lm_offset(s->memory, block) : 0;
}

// The same for allocate_zeroed, which need not clear a block that it knows to be zero.
static inline bool lm_access_zeroes(const lm_memories *all, uint32_t memory) {
    LM_ELSEWHERE(memory, false);
    return all->at[memory].allocator->allocate_zeroed != NULL;
}
static inline uint32_t lm_access_allocate_zeroed(const lm_memories *all, uint32_t memory,
                                                 uint32_t size) {
    LM_ELSEWHERE(memory, 0);
    const lm_served *s = &all->at[memory];
    void *block = s->allocator->allocate_zeroed(size, s->memory);
    return block ? lm_offset(s->memory, block) : 0;
}

// The same for allocate_dirty, which reports the bytes that may not be zero.
static inline bool lm_access_knows_dirty(const lm_memories *all, uint32_t memory) {
    LM_ELSEWHERE(memory, false);
    return all->at[memory].allocator->allocate_dirty != NULL;
}
static inline uint32_t lm_access_allocate_dirty(const lm_memories *all, uint32_t memory,
                                                uint32_t size, size_t *dirty) {
    LM_ELSEWHERE(memory, 0);
    const lm_served *s = &all->at[memory];
    void *block = s->allocator->allocate_dirty(size, dirty, s->memory);
    return block ? lm_offset(s->memory, block) : 0;
}

// Loads or stores 1, 2, 4 or 8 bytes at any offset, little-endian.
static inline uint64_t lm_access_load(const lm_memories *all, uint32_t memory, uint32_t offset,
                                      uint32_t bytes) {
    LM_ELSEWHERE(memory, lm_import_load(memory, offset, bytes));
    uint64_t value = 0;
    memcpy(&value, lm_at(all->at[memory].memory, offset), bytes);
    return value;
}
static inline void lm_access_store(const lm_memories *all, uint32_t memory, uint32_t offset,
                                   uint32_t bytes, uint64_t value) {
    LM_ELSEWHERE_CALL(memory, lm_import_store(memory, offset, bytes, value));
    memcpy(lm_at(all->at[memory].memory, offset), &value, bytes);
}

// Copies between two memories, or within one; the ranges may overlap.
static inline void lm_access_copy(const lm_memories *all, uint32_t to_memory, uint32_t to,
                                  uint32_t from_memory, uint32_t from, uint32_t bytes) {
    LM_ELSEWHERE_CALL(to_memory | from_memory,
                      lm_import_copy(to_memory, to, from_memory, from, bytes));
    memmove(lm_at(all->at[to_memory].memory, to), lm_at(all->at[from_memory].memory, from), bytes);
}

static inline void lm_access_fill(const lm_memories *all, uint32_t memory, uint32_t offset,
                                  uint8_t byte, uint32_t bytes) {
    LM_ELSEWHERE_CALL(memory, lm_import_fill(memory, offset, byte, bytes));
    memset(lm_at(all->at[memory].memory, offset), byte, bytes);
}

// One past the memory's last byte, up to 2^32.
static inline uint64_t lm_access_end(const lm_memories *all, uint32_t memory) {
    LM_ELSEWHERE(memory, (uint64_t)lm_import_pages(memory) * LM_PAGE_BYTES);
    return lm_memory_end(all->at[memory].memory);
}

// A number that changes whenever pointers into the memory may become invalid.
static inline uint32_t lm_access_epoch(const lm_memories *all, uint32_t memory) {
    LM_ELSEWHERE(memory, lm_import_pages(memory));
    return lm_memory_epoch(all->at[memory].memory);
}
