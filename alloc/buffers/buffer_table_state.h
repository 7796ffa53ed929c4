// What a buffer table keeps in its home memory. For the buffer table's own files only.
#pragma once

#include "alloc/buffers/buffer.h"
#include "alloc/buffers/records.h"

// A word's low 24 bits, in which a handle has the slot's number:
//
//      23     22        0
//     [ kept |  count    ]     kept: tokens keep some of the references, slot.kept says how many
//
// While it is kept, a release by hand is no single swap but takes the lock, under which it can be
// seen whether it would take what a token keeps. All else looks at the count alone.
#define LM_WORD_COUNT     (((uint64_t)1 << 24) - 1)
#define LM_WORD_KEPT      ((uint64_t)1 << 23)
#define LM_COUNT_BUSY     ((uint32_t)LM_WORD_KEPT - 1) // in place of a count of 1: it is resized
#define LM_COUNT_MAX      ((1u << LM_COUNT_BITS) - 1 - (LM_COUNT_BITS == 23))
#define LM_GENERATION_MAX ((1u << LM_GENERATION_BITS) - 1)
#define LM_SLOTS_MAX      (1u << LM_SLOT_BITS)

// One owner's share of one buffer.
typedef struct lm_slot {
    uint64_t word;           // the handle, with the count in place of the slot's number
    uint32_t start, size;    // the bytes, as asked
    uint32_t next, previous; // in the ring of the buffer's shares; next: of a free one, plus 1
    uint32_t block;          // what the allocator gave; the start may lie further, to be aligned
    // walked: by the walk that runs; kept: references, by tokens, changed under the lock
    uint32_t alignment_log2 : 7, walked : 1, kept : 24;
} lm_slot;
_Static_assert(sizeof(lm_slot) == 32, "two a cache line");

// One token's (alloc/buffers/finalizer.c).
typedef struct lm_finalizer {
    lm_handle handle;
    uint32_t word;
    uint32_t behind;         // in the queue: the record pushed before, or drained after; plus 1
    uint32_t next, previous; // in the ring of siblings; next: of a free one, plus 1
} lm_finalizer;

typedef struct lm_finalizers {
    uint32_t queue;   // the youngest that is enqueued, plus 1
    uint32_t oldest;  // what was taken of the queue and is not drained yet, turned around
    uint32_t free;    // the first free record, plus 1
    uint32_t retired; // records whose generations are used up
    uint32_t held;    // records that are no tokens any more, and keep their references yet
    lm_records records;
} lm_finalizers;

typedef struct lm_buffer_table_state {
    uint32_t lock;
    uint32_t free;    // the first free slot, plus 1
    uint32_t retired; // slots whose generations are used up
    uint32_t taken;   // that are neither free nor shares yet: their buffers are being made
    uint32_t busy;    // shares whose buffers are being resized
    lm_records slots;
    lm_finalizers finalizers; // until the buffer table ends, so that no token is ever given twice
    uint64_t budgets[LM_MEMORIES_MAX];
    uint64_t wanted[LM_MEMORIES_MAX]; // bytes by which what is being made or resized will add
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

// The count of the share that a handle of this slot means, with the bit above it. Of another one's:
// above both.
static inline uint64_t lm_word_count_for(uint64_t word, lm_handle handle) {
    return word - (handle & ~LM_WORD_COUNT);
}

static inline uint32_t lm_stamp_owner(uint32_t stamp) {
    return stamp >> 24;
}
static inline uint32_t lm_stamp_generation(uint32_t stamp) {
    return stamp & ((1u << 24) - 1);
}

// The lock of the buffer table's records: a spin lock, as the main thread of a WebAssembly program
// must not wait. It is held for a bounded number of steps, and a swap more for each retain or
// release of the same share that another thread makes meanwhile; no allocator or callback is called
// and no buffer is cleared or copied. Two calls of finalizers hold it longer: the first drain after
// tokens were enqueued, O(those tokens), and detach_all, O(siblings).
static inline void lm_lock(uint32_t *lock) {
    while (__atomic_exchange_n(lock, 1, __ATOMIC_ACQUIRE))
        while (__atomic_load_n(lock, __ATOMIC_RELAXED))
            ;
}
static inline void lm_unlock(uint32_t *lock) {
    __atomic_store_n(lock, 0, __ATOMIC_RELEASE);
}

// Makes room in one of the tables for one more record. `table`: its offset in the state. Called
// without the lock; another call may take the room. False: out of memory.
bool lm_buffer_table_extend(lm_buffer_table *table, uint32_t field, uint32_t record_bytes);

// Ends all tokens that stand for an owner's references, which the owner has again. O(tokens).
void lm_finalizers_forget(lm_buffer_table *table, uint32_t owner);
