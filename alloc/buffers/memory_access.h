// How the layers above the strategies reach several memories: each byte that lies in one of them,
// and each block of one, through these functions alone.
//
// Memories have numbers. Number 0 is *home*: the buffer table (alloc/buffers/buffer.h) keeps its
// own tables there, and C reaches it by pointers everywhere. Natively all memories are reached that
// way. On wasm32 a pointer of C means memory 0, so the others are reached by imported functions
// (module "linmem"), which a few lines of WebAssembly or JavaScript over the memories supply.
//
// Offsets and ranges must lie within the memory: the caller has checked. Bytes are read and written
// as the program's own are: who shares them between threads orders that.
#pragma once

#include "alloc/strategies/strategy.h"

#ifndef LM_MEMORIES_MAX // tests and the explorer take less
#define LM_MEMORIES_MAX 255
#endif

enum { LM_HOME = 0 };

// A memory and who serves it. Of an imported allocator, which need be no strategy of ours, only
// allocate, resize and free are known: its other members are NULL.
typedef struct lm_served {
    const lm_allocator *allocator;
    lm_memory *memory;
} lm_served;

typedef struct lm_memories {
    uint32_t count;
    bool threads;     // several call at once
    uint32_t foreign; // calls of foreign code that run
    uintptr_t caller; // with threads: the one that has the allocators' lock; 0: none
#ifdef __wasm__
    lm_served at[LM_HOME + 1];
#else
    lm_served at[LM_MEMORIES_MAX];
#endif
} lm_memories;

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
#else
#define LM_ELSEWHERE(memory, ...) ((void)0)
#endif

// Allocators are called between lm_access_enter and lm_access_leave.
//
// A strategy (LM_IN_LINEAR_MEMORY) calls nobody. Any other allocator is foreign code, which may
// call the buffer table from inside of these calls.
//
// Where several threads call, allocators are called by one thread at a time, under one lock for
// all. A thread that has it may take it again, for it is foreign code that calls back. A foreign
// allocator that states LM_SHARES_THREADS has locks of its own and is called without. No other lock
// of the buffer table's is held meanwhile. No two allocators wait for each other as long as foreign
// code holds no lock of its own while it calls the buffer table.

static inline bool lm_access_is_foreign(const lm_memories *all, uint32_t memory) {
    LM_ELSEWHERE(memory, true);
    return !(all->at[memory].allocator->capabilities & LM_IN_LINEAR_MEMORY);
}

// Foreign code begins to run, or has run. With threads it is counted by all of them.
static inline void lm_access_count_foreign(lm_memories *all, uint32_t more) {
    if (LM_UNLIKELY(all->threads))
        __atomic_add_fetch(&all->foreign, more, __ATOMIC_RELAXED);
    else
        all->foreign += more;
}

// With threads: takes the allocators' lock. False: it is not needed, or the thread has it.
bool lm_access_lock(lm_memories *all, uint32_t memory);
bool lm_access_has_lock(const lm_memories *all);
void lm_access_unlock(lm_memories *all);

// Returns what lm_access_leave is told.
static inline bool lm_access_enter(lm_memories *all, uint32_t memory) {
    if (LM_UNLIKELY(lm_access_is_foreign(all, memory))) lm_access_count_foreign(all, 1);
    return LM_UNLIKELY(all->threads) && lm_access_lock(all, memory);
}
static inline void lm_access_leave(lm_memories *all, uint32_t memory, bool locked) {
    if (LM_UNLIKELY(locked)) lm_access_unlock(all);
    if (LM_UNLIKELY(lm_access_is_foreign(all, memory))) lm_access_count_foreign(all, UINT32_MAX);
}

// Allocates a block, aligned as the memory's allocator aligns all. Returns its offset, or 0: out of
// memory.
static inline uint32_t lm_access_allocate(const lm_memories *all, uint32_t memory, uint32_t size) {
    LM_ELSEWHERE(memory, lm_import_allocate(memory, size));
    const lm_served *s = &all->at[memory];
    void *block = s->allocator->allocate(size, s->memory);
    return block ? lm_offset(s->memory, block) : 0;
}

// Resizes a block allocated so. Returns its offset, perhaps a new one, or 0: it is as it was.
static inline uint32_t lm_access_resize(const lm_memories *all, uint32_t memory, uint32_t block,
                                        uint32_t size) {
    LM_ELSEWHERE(memory, lm_import_resize(memory, block, size));
    const lm_served *s = &all->at[memory];
    void *resized = s->allocator->resize(lm_at(s->memory, block), size, s->memory);
    return resized ? lm_offset(s->memory, resized) : 0;
}

// Whether the memory's allocator keeps a resized block aligned to more; then
// lm_access_resize_aligned does so.
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

// Frees a block by the allocator that allocated it. `size`: what was asked for, 0 where unknown.
static inline void lm_access_free(const lm_memories *all, uint32_t memory, uint32_t block,
                                  uint32_t size) {
    LM_ELSEWHERE(memory, lm_import_free(memory, block));
    const lm_served *s = &all->at[memory];
    s->allocator->free(lm_at(s->memory, block), size, s->memory);
}

// Whether the memory's allocator aligns blocks to more; then lm_access_allocate_aligned does so.
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

// The same for zeroed blocks, which an allocator may know to be clean already.
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

// Whether it says which of a block's bytes may not be zero; then lm_access_allocate_dirty does so.
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
    LM_ELSEWHERE(memory, lm_import_store(memory, offset, bytes, value));
    memcpy(lm_at(all->at[memory].memory, offset), &value, bytes);
}

// Copies between memories, or within one, where the ranges may overlap.
static inline void lm_access_copy(const lm_memories *all, uint32_t to_memory, uint32_t to,
                                  uint32_t from_memory, uint32_t from, uint32_t bytes) {
    LM_ELSEWHERE(to_memory | from_memory, lm_import_copy(to_memory, to, from_memory, from, bytes));
    memmove(lm_at(all->at[to_memory].memory, to), lm_at(all->at[from_memory].memory, from), bytes);
}

static inline void lm_access_fill(const lm_memories *all, uint32_t memory, uint32_t offset,
                                  uint8_t byte, uint32_t bytes) {
    LM_ELSEWHERE(memory, lm_import_fill(memory, offset, byte, bytes));
    memset(lm_at(all->at[memory].memory, offset), byte, bytes);
}

// One past the memory's last byte, up to 2^32.
static inline uint64_t lm_access_end(const lm_memories *all, uint32_t memory) {
    LM_ELSEWHERE(memory, (uint64_t)lm_import_pages(memory) * LM_PAGE_BYTES);
    return lm_memory_end(all->at[memory].memory);
}

// A number that changes whenever pointers into the memory die.
static inline uint32_t lm_access_epoch(const lm_memories *all, uint32_t memory) {
    LM_ELSEWHERE(memory, lm_import_pages(memory));
    return lm_memory_epoch(all->at[memory].memory);
}
