// Reference-counted buffers in linear memories, which managed and manual owners share.
//
// A *buffer table* has up to 255 memories, each with its allocator, own or imported
// (alloc/buffers/memory_access.h). A buffer is a block of one of them. *Owners* are whoever holds
// references: the managed language, JavaScript, a C module; they are numbers, 0 … 254, whose
// meaning is the program's. An owner holds a buffer by a handle, with a count of its own: what one
// owner does wrong takes nothing from another. When no owner has a reference left, the block is
// freed by the allocator that allocated it, whichever owner released last; exactly once.
//
// A handle, which is never 0:
//
//      63      56 55                32 31      24 23                 0
//     [  owner   |    generation     |  memory   |       slot         ]
//     '------------ stamp -----------'
//
// Slots and counts lie in the home memory (number 0), beside the blocks of its allocator; a block
// in any memory is all the caller's, to the last byte, so a stray write into a buffer spoils no
// count, and a block that somebody else's malloc made needs no room for one. Slots never move. A
// slot is one owner's share of one buffer; all shares of a buffer form a ring, and the last to
// leave it frees the block.
//
//     slot: [ stamp | memory | count | start | size | next | previous | block | alignment, kept ]
//           '-------- word ---------'               '--- the ring ---'          32 bytes
//
// The word is the handle with the count in the place of the slot's number: one subtraction judges
// the one by the other. It is looked at and changed at once: where counts are atomic, by one
// compare-and-swap, so that no error changes anything, not even in a race. A slot that is released
// keeps its stamp until it serves the next share, with the next generation. After 2^24 − 1
// generations a slot is retired: no handle ever means two shares.
//
// Misuse, what it returns, and that nothing has changed:
//
//     a number that was never a handle              LM_INVALID_HANDLE
//     a handle whose slot serves another share now  LM_STALE_HANDLE
//     a handle that another owner holds             LM_WRONG_OWNER
//     release of what its owner has released        LM_RELEASE_AFTER_ZERO
//     retain, or another use, of the same           LM_USE_AFTER_ZERO
//     release or transfer, by hand, of what tokens  LM_KEPT
//       keep: of all that there is
//     retain when the count is as high as can be    LM_COUNT_OVERFLOW
//     a memory that the table does not have         LM_NO_MEMORY
//     an owner above 254, to be given a reference   LM_NO_OWNER
//     another use by an owner above 254             LM_WRONG_OWNER
//     an alignment that is no power of two, or      LM_BAD_ALIGNMENT
//       more than a page of WebAssembly
//     adopting what does not lie in the memory,     LM_BAD_BLOCK
//       or lies in the head of a strategy's heap
//       or in the table's own records
//     resizing what somebody else holds too         LM_SHARED
//     a use of a buffer while it is resized         LM_BUSY
//     any call before the start or after the end    LM_NOT_STARTED
//
// An adopted block must be one of its memory's allocator and nobody else's: a block that was
// adopted twice, or that is a buffer already, is not recognized, and freed twice.
//
// Threads: one at a time, but with lm_counts_atomic any number: retain and release that is not the
// last are one compare-and-swap; all other calls take the lock of the buffer table's records, for a
// bounded number of steps (alloc/buffers/buffer_table_state.h). No memory may move then:
// lm_buffer_table_start and lm_buffer_table_add refuse one in moving mode, and nobody calls
// lm_memory_move. All memories and the callback are set before the threads start.
//
// No lock of the tables is held while an allocator or the callback is called, or a buffer is
// cleared or copied. Allocators are called by one thread at a time for the whole buffer table,
// unless they are foreign (no strategies of ours) and state LM_SHARES_THREADS: then by any number,
// as on wasm32 are those of all memories but home. So a call that allocates or frees waits for
// those of other threads that do. That is not bounded: an allocator may clear 16 pages for a zeroed
// buffer, resize may copy all of one, a memory may grow, and foreign code takes as long as it
// takes.
//
// Foreign allocators and the callback may call the buffer table, each of its functions: all work,
// but for lm_buffer_table_end, which returns LM_BUSY, and for the buffer that is being resized.
// With atomic counts no foreign code may hold a lock of its own while it calls the buffer table,
// whatever it states: the call may wait for another allocator, or for the allocators' lock, whose
// holder may wait for that lock.
#pragma once

#include "alloc/buffers/memory_access.h"

// At most 24 each, of counts 23. Narrow ones let tests reach the ends.
#ifndef LM_COUNT_BITS
#define LM_COUNT_BITS 23
#endif
#ifndef LM_GENERATION_BITS
#define LM_GENERATION_BITS 24
#endif
#ifndef LM_SLOT_BITS
#define LM_SLOT_BITS 24
#endif

enum { LM_OWNERS_MAX = 255 };

typedef uint64_t lm_handle;

static inline uint32_t lm_handle_slot(lm_handle handle) {
    return (uint32_t)handle & ((1u << 24) - 1);
}
static inline uint32_t lm_handle_memory(lm_handle handle) {
    return (uint32_t)handle >> 24;
}
static inline uint32_t lm_handle_stamp(lm_handle handle) {
    return (uint32_t)(handle >> 32);
}
static inline uint32_t lm_handle_owner(lm_handle handle) {
    return (uint32_t)(handle >> 56);
}

typedef enum lm_status {
    LM_OK,
    LM_FREED, // and it was the last reference: the block has been freed
    // Of what follows, nothing has changed.
    LM_OUT_OF_MEMORY,
    LM_OUT_OF_SLOTS, // 2^24 are in use or retired
    LM_INVALID_HANDLE,
    LM_STALE_HANDLE,
    LM_WRONG_OWNER,
    LM_RELEASE_AFTER_ZERO,
    LM_USE_AFTER_ZERO,
    LM_COUNT_OVERFLOW,
    LM_NO_MEMORY,
    LM_NO_OWNER,
    LM_BAD_ALIGNMENT,
    LM_BAD_BLOCK,
    LM_SHARED,
    // of views (alloc/buffers/view.h)
    LM_OUT_OF_RANGE,
    LM_MISALIGNED,
    LM_WRONG_KIND,
    LM_OLD_POINTER,
    // of finalizers (alloc/buffers/finalizer.h)
    LM_INVALID_TOKEN,
    LM_STALE_TOKEN,
    LM_ENQUEUED,
    LM_NOT_STARTED,
    LM_KEPT,
    // of what foreign code has not finished
    LM_BUSY,
    LM_STATUSES
} lm_status;

// The status's name, as it is written here; "no status" of any other number.
const char *lm_status_name(lm_status status);

static inline bool lm_failed(lm_status status) {
    return status > LM_FREED;
}

typedef struct lm_buffer_table lm_buffer_table;

// Told that more is about to be live in a memory than its budget (`bytes` are wanted; what other
// calls are making by then counts too), or that it could not serve them: it may drain finalizers,
// release, or ask the host to collect; then what was wanted is tried again, once. Called with no
// lock of the buffer table held. A thread is not told again inside of its own call, nor, with
// atomic counts, inside of an allocator that does not state LM_SHARES_THREADS: what it then wants
// and cannot get is LM_OUT_OF_MEMORY, and budgets are exceeded untold. Where home has no room for a
// buffer's slot, that buffer's memory is told of; share, transfer, views and tokens tell nobody.
// With atomic counts several threads may be in it at once, each for what it wants itself: none
// waits for another.
typedef void lm_pressure(void *context, lm_buffer_table *table, uint32_t memory, uint64_t bytes);

typedef struct lm_buffer_info {
    uint32_t memory, start, size;
    uint32_t references; // the owner's own
    bool unique;         // it is the only reference of all
} lm_buffer_info;

typedef struct lm_live {
    uint64_t bytes;      // as asked
    uint64_t peak_bytes; // of a memory: the most there were at once
    uint64_t buffers;
} lm_live;

// How references are counted: two instantiations of alloc/buffers/counts.c. Functions of the buffer
// table call through it.
typedef struct lm_counts {
    const char *name;
    bool threads; // several may call at once
    lm_status (*create)(lm_buffer_table *, uint32_t owner, uint32_t memory, uint32_t size,
                        uint32_t alignment, bool zeroed, lm_handle *handle);
    lm_status (*adopt)(lm_buffer_table *, uint32_t owner, uint32_t memory, uint32_t block,
                       uint32_t size, lm_handle *handle);
    lm_status (*retain)(lm_buffer_table *, uint32_t owner, lm_handle handle);
    lm_status (*release)(lm_buffer_table *, uint32_t owner, lm_handle handle);
    lm_status (*share)(lm_buffer_table *, uint32_t owner, lm_handle handle, uint32_t with,
                       lm_handle *);
    lm_status (*transfer)(lm_buffer_table *, uint32_t owner, lm_handle handle, uint32_t to,
                          lm_handle *);
    lm_status (*resize)(lm_buffer_table *, uint32_t owner, lm_handle handle, uint32_t size);
    lm_status (*describe)(lm_buffer_table *, uint32_t owner, lm_handle handle,
                          lm_buffer_info *info);
    uint64_t (*release_all)(lm_buffer_table *, uint32_t owner);
    // of tokens (alloc/buffers/finalizer.h)
    lm_status (*keep)(lm_buffer_table *, uint32_t owner, lm_handle handle);
    void (*unkeep)(lm_buffer_table *, lm_handle handle);
    lm_status (*release_kept)(lm_buffer_table *, lm_handle handle);
    const char *(*validate)(lm_buffer_table *, lm_census *census);
} lm_counts;

extern const lm_counts lm_counts_plain, lm_counts_atomic;

struct lm_buffer_table {
    const lm_counts *counts;
    lm_memories memories;
    uint32_t state;  // the offset of the table's record in home; 0: the table has ended
    bool finalizers; // have started, and not ended (alloc/buffers/finalizer.h)
    lm_pressure *pressure;
    void *pressure_context;
};

// Starts a buffer table whose home is `memory`, served by `allocator`, which has been started and
// serves the buffer table as long as it lives. Returns false if it is out of memory, if one of both
// is NULL, if the allocator lacks allocate, resize or free, or if counts are atomic and the memory
// is in moving mode; the buffer table's calls then return LM_NOT_STARTED, as after its end. A
// buffer table that lives must not be started again: what it keeps in home would be lost.
bool lm_buffer_table_start(lm_buffer_table *table, const lm_counts *counts,
                           const lm_allocator *allocator, lm_memory *memory);

// Ends a buffer table and its finalizers: gives back what it keeps in home; buffers that still live
// stay allocated. LM_BUSY: foreign code or the callback called it, and nothing has changed.
// LM_NOT_STARTED: it has ended already. No other thread calls.
lm_status lm_buffer_table_end(lm_buffer_table *table);

// Adds a memory. Of an imported allocator only allocate, resize and free need be there; blocks that
// it resizes are aligned to 8 at least, and it is never asked for 0 bytes. Returns its number; on
// wasm32 both are NULL and the imported functions know it by that number. A memory may be added
// twice, so that two allocators serve it. Returns LM_MEMORIES_MAX when there are as many already,
// when something that must be there is NULL, when counts are atomic and the memory is in moving
// mode, and when the buffer table has not started.
uint32_t lm_buffer_table_add(lm_buffer_table *table, const lm_allocator *allocator,
                             lm_memory *memory);

// Sets a memory's budget in bytes, UINT64_MAX (as at the start) for none, and the buffer table's
// callback.
lm_status lm_buffer_table_set_budget(lm_buffer_table *table, uint32_t memory, uint64_t bytes);
void lm_buffer_table_set_pressure(lm_buffer_table *table, lm_pressure *pressure, void *context);

// What is live in a memory; nothing in one that the buffer table does not have. O(1).
lm_live lm_buffer_table_live_in(const lm_buffer_table *table, uint32_t memory);

// What an owner holds, by its handles. O(slots): nobody pays for it until it is asked. While other
// threads call, shares that come or go meanwhile may be counted or not.
lm_live lm_buffer_table_live_of(const lm_buffer_table *table, uint32_t owner);

// Creates a buffer with one reference, `owner`'s. Its bytes are zero if `zeroed`, else anything.
// O(the allocator's allocate).
static inline lm_status lm_buffer_create(lm_buffer_table *table, uint32_t owner, uint32_t memory,
                                         uint32_t size, uint32_t alignment, bool zeroed,
                                         lm_handle *handle) {
    if (LM_UNLIKELY(!table->state)) return LM_NOT_STARTED;
    return table->counts->create(table, owner, memory, size, alignment, zeroed, handle);
}

// Makes a buffer of a block that the owner allocated itself, by the allocator of that memory, and
// that nobody else frees from here on. Its bytes count for the budget as a created buffer's do.
static inline lm_status lm_buffer_adopt(lm_buffer_table *table, uint32_t owner, uint32_t memory,
                                        uint32_t block, uint32_t size, lm_handle *handle) {
    if (LM_UNLIKELY(!table->state)) return LM_NOT_STARTED;
    return table->counts->adopt(table, owner, memory, block, size, handle);
}

// One reference more, or one less, of the owner's. LM_FREED: it was the last of all. O(1).
static inline lm_status lm_buffer_retain(lm_buffer_table *table, uint32_t owner, lm_handle handle) {
    if (LM_UNLIKELY(!table->state)) return LM_NOT_STARTED;
    return table->counts->retain(table, owner, handle);
}
static inline lm_status lm_buffer_release(lm_buffer_table *table, uint32_t owner,
                                          lm_handle handle) {
    if (LM_UNLIKELY(!table->state)) return LM_NOT_STARTED;
    return table->counts->release(table, owner, handle);
}

// Makes a first reference for another owner (or once more for the same): a handle of its own. O(1).
static inline lm_status lm_buffer_share(lm_buffer_table *table, uint32_t owner, lm_handle handle,
                                        uint32_t with, lm_handle *shared) {
    if (LM_UNLIKELY(!table->state)) return LM_NOT_STARTED;
    return table->counts->share(table, owner, handle, with, shared);
}

// Moves one reference to another owner, who gets a handle of its own; where it was the owner's
// last, the old handle is dead: stale, or where the slot's generations are used up as after a
// release. O(1), and nothing is allocated or freed where it was the last and they are not.
static inline lm_status lm_buffer_transfer(lm_buffer_table *table, uint32_t owner, lm_handle handle,
                                           uint32_t to, lm_handle *transferred) {
    if (LM_UNLIKELY(!table->state)) return LM_NOT_STARTED;
    return table->counts->transfer(table, owner, handle, to, transferred);
}

// Makes a buffer larger or smaller; the first min(old, new) bytes are kept, the others anything.
// LM_SHARED: somebody else holds a reference (or a view does), who would not know, or a release of
// it has not returned yet. Pressure is told before that is judged: what it releases may be just
// those. To make it smaller never fails for want of memory: if its allocator fails, the block stays
// as large as it was.
static inline lm_status lm_buffer_resize(lm_buffer_table *table, uint32_t owner, lm_handle handle,
                                         uint32_t size) {
    if (LM_UNLIKELY(!table->state)) return LM_NOT_STARTED;
    return table->counts->resize(table, owner, handle, size);
}

// Where its bytes lie, and how many references there are. `unique` answers "may I write in place?".
static inline lm_status lm_buffer_describe(lm_buffer_table *table, uint32_t owner, lm_handle handle,
                                           lm_buffer_info *info) {
    if (LM_UNLIKELY(!table->state)) return LM_NOT_STARTED;
    return table->counts->describe(table, owner, handle, info);
}

// Releases all that an owner holds, and ends its tokens (alloc/buffers/finalizer.h): its module is
// gone. Returns how many blocks that freed. Passed over are a buffer that is being resized, and
// what a token keeps that foreign code or another thread attaches, or is about to release,
// meanwhile. An owner above 254 holds nothing. O(slots + tokens).
static inline uint64_t lm_buffer_table_release_all(lm_buffer_table *table, uint32_t owner) {
    if (!table->state) return 0;
    return table->counts->release_all(table, owner);
}

// Walks the slots: returns the name of a broken law or NULL, and counts live buffers and their
// bytes as asked. Called while no other thread calls. O(slots).
static inline const char *lm_buffer_table_validate(lm_buffer_table *table, lm_census *census) {
    if (census) *census = (lm_census){0};
    if (!table->state) return NULL;
    return table->counts->validate(table, census);
}
