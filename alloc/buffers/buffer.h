// Reference-counted buffers in linear memories, shared by managed and manual code.
//
// A *buffer table* has up to 255 memories, each with its allocator, one of ours or imported
// (alloc/buffers/memory_access.h). A buffer is a block of one of them. References belong to
// *owners*: the managed language, JavaScript, a C module. Owners are numbers, 0 … 254, which the
// program assigns. An owner refers to a buffer by a handle with a count of its own, so that one
// owner's errors cannot release another owner's references. When the last reference of all owners
// is released, by any of them, the block is freed exactly once, by the allocator that allocated it.
//
// A handle, which is never 0:
//
//      63      56 55                32 31      24 23                 0
//     [  owner   |    generation     |  memory   |       slot         ]
//     '------------ stamp -----------'
//
// Slots and counts are stored in the home memory (number 0), in blocks of its allocator. A buffer's
// block has no header, so a stray write into a buffer's bytes cannot change a count, and a block
// from any malloc can be adopted. Slots never move. A slot is one owner's share of one buffer; all
// shares of a buffer form a ring, and the last share to leave the ring frees the block.
//
//     slot: [ stamp | memory | count | start | size | next | previous | block | alignment, kept ]
//           '-------- word ---------'               '--- the ring ---'          32 bytes
//
// The word is the handle with the count in place of the slot's number, so one subtraction checks a
// handle against it. It is checked and changed in one step, with atomic counts by one
// compare-and-swap, so that a failed call changes nothing even in a race. A released slot keeps its
// stamp until it is reused for another share, with the next generation. After 2^24 − 1 generations
// a slot is retired: a handle never refers to two shares.
//
// Misuse, and the status returned; nothing is changed:
//
//     a number that was never a handle              LM_INVALID_HANDLE
//     a handle whose slot was reused                LM_STALE_HANDLE
//     a handle of another owner                     LM_WRONG_OWNER
//     release of a share that was released          LM_RELEASE_AFTER_ZERO
//     retain, or another use, of such a share       LM_USE_AFTER_ZERO
//     release or transfer of a share if tokens      LM_KEPT
//       keep all its references
//     retain at the maximum count                   LM_COUNT_OVERFLOW
//     a memory that the table does not have         LM_NO_MEMORY
//     share with, or transfer to, an owner above    LM_NO_OWNER
//       254; create or adopt by one
//     another use by an owner above 254             LM_WRONG_OWNER
//     an alignment that is not a power of two, or   LM_BAD_ALIGNMENT
//       larger than a WebAssembly page
//     adopting a block that is not in the memory,   LM_BAD_BLOCK
//       or is in the head of a strategy's heap
//       or in the table's own records
//     resizing a buffer with another reference      LM_SHARED
//     a use of a buffer while it is resized         LM_BUSY
//     any call before the start or after the end    LM_NOT_STARTED
//
// An adopted block must come from the memory's allocator and have no other user. The table does not
// detect a block that is adopted twice or that is a buffer already; it is then freed twice.
//
// Threads: one at a time; with lm_counts_atomic any number. Then retain, and a release that is not
// the last, are one compare-and-swap; all other calls take the lock of the buffer table's records,
// for a bounded number of steps (alloc/buffers/buffer_table_state.h). Memories must not move then:
// lm_buffer_table_start and lm_buffer_table_add reject one in moving mode, and lm_memory_move must
// not be called. All memories and the callback are set before the threads start.
//
// The buffer table holds no lock of its records while it calls an allocator or the callback, or
// clears or copies a buffer. One thread at a time calls allocators, for the whole buffer table,
// except foreign ones (not strategies of ours) that state LM_SHARES_THREADS, as those of all
// memories but home do on wasm32. So a call that allocates or frees waits for other threads that
// do. That wait is not bounded: an allocator may clear 16 pages for a zeroed buffer, resize may
// copy a whole buffer, a memory may grow, and foreign code may take any time.
//
// Foreign allocators and the callback may call every function of the buffer table. All succeed as
// usual, except that lm_buffer_table_end, and a use of the buffer that is being resized, return
// LM_BUSY. With atomic counts foreign code must not hold a lock of its own while it calls the
// buffer table, whatever it states: the call may wait for another allocator, or for the allocators'
// lock, whose holder may wait for that lock.
#pragma once

#include "alloc/buffers/memories.h"
#include "alloc/check.h"

#ifdef __cplusplus
extern "C" {
#endif

// Field widths: at most 24 bits, for counts 23. Tests use narrower ones to reach the limits.
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
    LM_FREED, // success; it was the last reference, and the block has been freed
    // Failures, which change nothing:
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
    // views (alloc/buffers/view.h)
    LM_OUT_OF_RANGE,
    LM_MISALIGNED,
    LM_WRONG_KIND,
    LM_OLD_POINTER,
    // finalizers (alloc/buffers/finalizer.h)
    LM_INVALID_TOKEN,
    LM_STALE_TOKEN,
    LM_ENQUEUED,
    LM_NOT_STARTED,
    LM_KEPT,
    // a resize or a call of foreign code is in progress
    LM_BUSY,
    LM_STATUSES
} lm_status;

// Returns the status's name as spelled above, or "no status" for any other number.
const char *lm_status_name(lm_status status);

static inline bool lm_failed(lm_status status) {
    return status > LM_FREED;
}

typedef struct lm_buffer_table lm_buffer_table;

// The pressure callback, called if a request for `bytes` would exceed the memory's budget (requests
// in progress in other calls count too) or if the memory is out of memory. It may drain finalizers,
// release buffers, or ask the embedder to collect garbage; the request is then tried once more.
// No lock of the buffer table is held. It is not called recursively on a thread, nor, with atomic
// counts, from inside an allocator that does not state LM_SHARES_THREADS: there, a request that
// fails returns LM_OUT_OF_MEMORY, and budgets may be exceeded. If home has no room for a buffer's
// slot, `memory` is the buffer's memory. Share, transfer, views and tokens do not call it. With
// atomic counts several threads may run it at once, each for its own request; none waits for
// another.
typedef void lm_pressure(void *context, lm_buffer_table *table, uint32_t memory, uint64_t bytes);

typedef struct lm_buffer_info {
    uint32_t memory, start, size;
    uint32_t references; // the owner's, through this handle
    bool unique;         // there is only one reference to the buffer
} lm_buffer_info;

typedef struct lm_live {
    uint64_t bytes;      // the sizes asked for
    uint64_t peak_bytes; // the maximum of `bytes` so far, for a memory only
    uint64_t buffers;
} lm_live;

// How references are counted, plainly or atomically: alloc/buffers/counts.c, compiled twice. The
// functions below call through this table.
typedef struct lm_counts {
    const char *name;
    bool threads; // several threads may call at once
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
    // for tokens (alloc/buffers/finalizer.h)
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
    bool finalizers; // started and not ended (alloc/buffers/finalizer.h)
    lm_pressure *pressure;
    void *pressure_context;
};

// Starts a buffer table whose home is `memory`, served by `allocator`. The caller has started the
// allocator; both must stay valid until the table's end. Returns false if out of memory, if either
// is NULL, if the allocator lacks allocate, resize or free, or if counts are atomic and the memory
// is in moving mode; calls on the table then return LM_NOT_STARTED, as after its end. A started
// buffer table must not be started again: its records in home would leak.
bool lm_buffer_table_start(lm_buffer_table *table, const lm_counts *counts,
                           const lm_allocator *allocator, lm_memory *memory);

// Ends a buffer table and its finalizers, and frees its records in home; live buffers stay
// allocated. Returns LM_BUSY, with nothing changed, if called from foreign code or the callback;
// LM_NOT_STARTED if the table has ended already. No other thread may call meanwhile.
lm_status lm_buffer_table_end(lm_buffer_table *table);

// Adds a memory and returns its number. An imported allocator needs only allocate, resize and free;
// blocks that it resizes must be aligned to at least 8, and it is never called with size 0. On
// wasm32 both arguments are NULL, and the imported functions are passed the number. A memory may be
// added twice, with two allocators. Returns LM_MEMORIES_MAX if there are that many already, if a
// required pointer is NULL, if counts are atomic and the memory is in moving mode, or if the table
// has not started.
uint32_t lm_buffer_table_add(lm_buffer_table *table, const lm_allocator *allocator,
                             lm_memory *memory);

// Set a memory's budget in bytes (UINT64_MAX, the default: no budget), and the pressure callback.
lm_status lm_buffer_table_set_budget(lm_buffer_table *table, uint32_t memory, uint64_t bytes);
void lm_buffer_table_set_pressure(lm_buffer_table *table, lm_pressure *pressure, void *context);

// Returns the live buffers of a memory; zeros if the buffer table does not have it. O(1).
lm_live lm_buffer_table_live_in(const lm_buffer_table *table, uint32_t memory);

// Returns the live buffers of an owner, one for each of its handles. O(slots). Shares that other
// threads make or release meanwhile may or may not be counted.
lm_live lm_buffer_table_live_of(const lm_buffer_table *table, uint32_t owner);

// Creates a buffer with one reference, which belongs to `owner`. Its bytes are zero if `zeroed`,
// else unspecified. Costs an allocate of the memory's allocator.
static inline lm_status lm_buffer_create(lm_buffer_table *table, uint32_t owner, uint32_t memory,
                                         uint32_t size, uint32_t alignment, bool zeroed,
                                         lm_handle *handle) {
    if (LM_UNLIKELY(!table->state)) return LM_NOT_STARTED;
    return table->counts->create(table, owner, memory, size, alignment, zeroed, handle);
}

// Makes a buffer of a block that the owner has allocated from the memory's allocator and must not
// free itself any more. Its bytes count towards the budget like a created buffer's.
static inline lm_status lm_buffer_adopt(lm_buffer_table *table, uint32_t owner, uint32_t memory,
                                        uint32_t block, uint32_t size, lm_handle *handle) {
    if (LM_UNLIKELY(!table->state)) return LM_NOT_STARTED;
    return table->counts->adopt(table, owner, memory, block, size, handle);
}

// Add and release one reference of the owner. A release returns LM_FREED if it was the buffer's
// last. O(1).
static inline lm_status lm_buffer_retain(lm_buffer_table *table, uint32_t owner, lm_handle handle) {
    if (LM_UNLIKELY(!table->state)) return LM_NOT_STARTED;
    return table->counts->retain(table, owner, handle);
}
static inline lm_status lm_buffer_release(lm_buffer_table *table, uint32_t owner,
                                          lm_handle handle) {
    if (LM_UNLIKELY(!table->state)) return LM_NOT_STARTED;
    return table->counts->release(table, owner, handle);
}

// Makes a share for another owner (or a second one for the same), with a handle of its own and one
// reference. O(1).
static inline lm_status lm_buffer_share(lm_buffer_table *table, uint32_t owner, lm_handle handle,
                                        uint32_t with, lm_handle *shared) {
    if (LM_UNLIKELY(!table->state)) return LM_NOT_STARTED;
    return table->counts->share(table, owner, handle, with, shared);
}

// Moves one reference to another owner, with a handle of its own. If it was the last one of the old
// handle, that handle becomes stale or, if the slot's generations are used up, is as after a
// release. O(1); allocates and frees nothing if it was the last one and generations are left.
static inline lm_status lm_buffer_transfer(lm_buffer_table *table, uint32_t owner, lm_handle handle,
                                           uint32_t to, lm_handle *transferred) {
    if (LM_UNLIKELY(!table->state)) return LM_NOT_STARTED;
    return table->counts->transfer(table, owner, handle, to, transferred);
}

// Resizes a buffer and keeps the first min(old, new) bytes; other bytes are unspecified. Returns
// LM_SHARED if there is another reference (a view's too), or if the release of one has not returned
// yet. The pressure callback runs before that check, since it may release those references.
// Shrinking never returns LM_OUT_OF_MEMORY: if the allocator fails, the block keeps its size.
static inline lm_status lm_buffer_resize(lm_buffer_table *table, uint32_t owner, lm_handle handle,
                                         uint32_t size) {
    if (LM_UNLIKELY(!table->state)) return LM_NOT_STARTED;
    return table->counts->resize(table, owner, handle, size);
}

// Describes a buffer: its memory, start, size and references. If `unique`, the caller may write in
// place.
static inline lm_status lm_buffer_describe(lm_buffer_table *table, uint32_t owner, lm_handle handle,
                                           lm_buffer_info *info) {
    if (LM_UNLIKELY(!table->state)) return LM_NOT_STARTED;
    return table->counts->describe(table, owner, handle, info);
}

// Releases all references of an owner and ends its tokens (alloc/buffers/finalizer.h), for example
// when its module is unloaded. Returns the number of blocks freed. Skips buffers that are being
// resized, and references of tokens that foreign code or another thread attaches, or is about to
// release, meanwhile. An owner above 254 has no references. O(slots + tokens).
static inline uint64_t lm_buffer_table_release_all(lm_buffer_table *table, uint32_t owner) {
    if (!table->state) return 0;
    return table->counts->release_all(table, owner);
}

// Walks the slots. Returns the name of a broken law, or NULL; counts the live buffers and the sizes
// asked for. No other thread may call meanwhile. O(slots).
const char *lm_buffer_table_validate(lm_buffer_table *table, lm_census *census);

#ifdef __cplusplus
}
#endif
