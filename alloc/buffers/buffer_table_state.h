// The records of a buffer table in its home memory. Private to alloc/buffers.
#pragma once

#include "alloc/buffers/buffer.h"
#include "alloc/buffers/records.h"

// The low 24 bits of a word, where a handle has the slot's number:
//
//      23     22        0
//     [ kept |  count    ]     kept: tokens keep some of the references; slot.kept is their number
//
// If the bit is set, a release by hand takes the lock instead of a single swap, to check that it
// does not release a kept reference. All other calls read the count only.
#define LM_WORD_COUNT     (((uint64_t)1 << 24) - 1)
#define LM_WORD_KEPT      ((uint64_t)1 << 23)
#define LM_COUNT_BUSY     ((uint32_t)LM_WORD_KEPT - 1) // replaces a count of 1 during a resize
#define LM_COUNT_MAX      ((1u << LM_COUNT_BITS) - 1 - (LM_COUNT_BITS == 23))
#define LM_GENERATION_MAX ((1u << LM_GENERATION_BITS) - 1)
#define LM_SLOTS_MAX      (1u << LM_SLOT_BITS)

// One owner's share of one buffer.
typedef struct lm_slot {
    uint64_t word;           // the handle, with the count in place of the slot's number
    uint32_t start, size;    // size: as asked for
    uint32_t next, previous; // in the ring of shares; if free, next: the next free slot, plus 1
    uint32_t block;          // the allocator's block; start may be above it, for alignment
    // walked: mark of validate; kept: references that tokens keep, changed under the lock
    uint32_t alignment_log2 : 7, walked : 1, kept : 24;
} lm_slot;
_Static_assert(sizeof(lm_slot) == 32, "two a cache line");

// The record of one token (alloc/buffers/finalizer.c).
typedef struct lm_finalizer {
    lm_handle handle;
    uint32_t word;
    uint32_t behind;         // in the queue: the record pushed before, or drained after; plus 1
    uint32_t next, previous; // in the ring of siblings; if free, next: the next free one, plus 1
} lm_finalizer;

typedef struct lm_finalizers {
    uint32_t queue;   // the record enqueued last, plus 1
    uint32_t oldest;  // taken off the queue and not yet drained: the oldest first, plus 1
    uint32_t free;    // the first free record, plus 1
    uint32_t retired; // records whose generations are used up
    uint32_t held;    // records whose tokens have ended and which still keep their references
    lm_records records;
} lm_finalizers;

typedef struct lm_buffer_table_state {
    uint32_t lock;
    uint32_t free;    // the first free slot, plus 1
    uint32_t retired; // slots whose generations are used up
    uint32_t taken;   // slots of buffers that are being made: neither free nor shares yet
    uint32_t busy;    // shares whose buffers are being resized
    lm_records slots;
    lm_finalizers finalizers; // kept until the buffer table ends, so that no token is reused
    uint64_t budgets[LM_MEMORIES_MAX];
    uint64_t wanted[LM_MEMORIES_MAX]; // bytes that creates and resizes in progress will add
    lm_live memories[LM_MEMORIES_MAX];
} lm_buffer_table_state;

static inline lm_buffer_table_state *lm_state_of(const lm_buffer_table *table) {
    return lm_at(table->memories.at[LM_HOME].memory, table->state);
}

_Static_assert(LM_COUNT_BITS <= 23 && LM_GENERATION_BITS <= 24 && LM_SLOT_BITS <= 24, "a handle");

static inline lm_slot *lm_slot_at(const lm_buffer_table *table, uint32_t number) {
    const lm_memory *home = table->memories.at[LM_HOME].memory;
    return lm_record_at(home, &lm_state_of(table)->slots, sizeof(lm_slot), number);
}

static inline uint32_t lm_word_count(uint64_t word) {
    return (uint32_t)(word & LM_WORD_COUNT & ~LM_WORD_KEPT);
}
static inline uint32_t lm_word_memory(uint64_t word) {
    return lm_handle_memory(word);
}
static inline uint32_t lm_word_stamp(uint64_t word) {
    return (uint32_t)(word >> 32);
}

// The count of a handle's share, with the kept bit, from its slot's word. For a handle of another
// share of the slot the result is above both.
static inline uint64_t lm_word_count_for(uint64_t word, lm_handle handle) {
    return word - (handle & ~LM_WORD_COUNT);
}

static inline uint32_t lm_stamp_owner(uint32_t stamp) {
    return stamp >> 24;
}
static inline uint32_t lm_stamp_generation(uint32_t stamp) {
    return stamp & ((1u << 24) - 1);
}

// The lock of the buffer table's records: a spin lock, because the main thread of a WebAssembly
// program must not block. It is held for a bounded number of steps, plus one swap for each retain
// or release of the same share by another thread meanwhile, and never while an allocator or the
// callback is called or a buffer is cleared or copied. Two calls of finalizers hold it longer: the
// first drain after tokens were enqueued, O(those tokens), and detach_all, O(siblings).
static inline void lm_lock(uint32_t *lock) {
    while (__atomic_exchange_n(lock, 1, __ATOMIC_ACQUIRE))
        while (__atomic_load_n(lock, __ATOMIC_RELAXED))
            ;
}
static inline void lm_unlock(uint32_t *lock) {
    __atomic_store_n(lock, 0, __ATOMIC_RELEASE);
}

// Makes room for one more record in the lm_records at offset `field` of the state. Called without
// the lock; another call may take the room. Returns false if out of memory.
bool lm_buffer_table_extend(lm_buffer_table *table, uint32_t field, uint32_t record_bytes);

// Ends all tokens of an owner's references; the owner has them back. O(tokens).
void lm_finalizers_forget(lm_buffer_table *table, uint32_t owner);
