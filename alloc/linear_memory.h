// Linear memory: one contiguous range that grows at its end and never shrinks, as WebAssembly has
// it.
//
// An address in it is an offset from its base: 0 ≤ offset < size ≤ 2^32. Sizes are counted in pages
// of 64 KiB, and an *end* (one past the last byte) is a 64-bit number, since a memory of 65,536
// pages ends at exactly 2^32.
//
// Natively the maximum is reserved when the memory is created and the base stays, except in the
// moving mode, in which every growth moves it: a strategy that kept a pointer across a growth then
// faults. What lies beyond the size faults as well; where memory is committed in steps, what lies
// beyond the last step. On wasm32 the base is 0 and the memory is the module's own.
//
// Anyone may grow the memory between two of our calls, and growth may be refused at any time: where
// a growth begins is known from its answer only.
//
// A memory is used by one thread at a time. Several threads share one through views, one a thread;
// the memory then grows and never moves.
#pragma once

#include <stdbool.h>
#include <stdint.h>

// Geometry. The explorer's memories are smaller (fuzz/explore/explorer/geometry.h).
#ifndef LM_PAGE_LOG2
#define LM_PAGE_LOG2    16 // WebAssembly's page
#define LM_PAGES_LOG2   16 // 4 GiB
#define LM_THREADS_LOG2 6
#endif

enum {
    LM_PAGE_BYTES = 1 << LM_PAGE_LOG2,
    LM_PAGES_MAX = 1 << LM_PAGES_LOG2,
    LM_BLOCK_ALIGNMENT = 16,
    LM_THREADS_MAX = 1 << LM_THREADS_LOG2,
};

#define LM_GROW_REFUSED UINT32_MAX // memory.grow's −1
#define LM_REFUSE_ALL   UINT32_MAX

// How growth gets memory of the system: a choice of the memory, which no strategy knows of.
typedef enum lm_memory_commit {
    LM_COMMIT_4K,   // 4 KiB at a time, where they are touched
    LM_COMMIT_2M,   // 2 MiB at once, as soon as a growth reaches into them
    LM_COMMIT_HUGE, // huge pages, where they are touched and the system has them; else as 4K
    // The whole maximum when the memory is made, so that growing only counts: for fuzzing. Under
    // AddressSanitizer the page behind the size is poisoned, else nothing strays visibly.
    LM_COMMIT_AHEAD,
} lm_memory_commit;

enum { LM_COMMIT_STEP_BYTES = 2 << 20 }; // of LM_COMMIT_2M and LM_COMMIT_HUGE: a huge page

// For who knows what of a memory is not zero: brings that to where it moves, and leaves zeroes.
// False: nothing is brought, that it comes with its page tables is better.
typedef bool lm_memory_carry(unsigned char *to, unsigned char *from);

typedef struct lm_memory {
    uint32_t
        heap_start; // the first offset a heap may use: a multiple of 16, never 0 (that is NULL)
    uint32_t pages_max;
    uint32_t thread; // which of the threads that share the memory calls: 0 … LM_THREADS_MAX − 1
#ifndef __wasm__
    unsigned char *base;     // a multiple of LM_PAGE_BYTES; with HUGE of 2 MiB, with AHEAD of 1 GiB
    struct lm_memory *whole; // of a view: the memory that was created; else NULL
    uint32_t pages;          // of a view: nothing, the whole one's count
    uint32_t refusals;       // growths still to be refused; LM_REFUSE_ALL: for good
    bool moving;
    uint32_t moves; // of the base so far
    lm_memory_commit commit;
    uint32_t pages_committed; // from the start: at least `pages`; with 4K nothing
    lm_memory_carry *carry;   // with AHEAD; or NULL, as it is made
    void *reservation;        // what was mapped, to be unmapped
    uint64_t reservation_bytes;
#endif
} lm_memory;

// The address of offset 0. Good until the next growth.
static inline unsigned char *lm_memory_base(const lm_memory *memory);

// The size in pages; times LM_PAGE_BYTES it is the end, a 64-bit number.
static inline uint32_t lm_memory_pages(const lm_memory *memory);

// A number that changes whenever addresses into the memory may die: it grows with the size, which
// makes JavaScript's views of a memory useless, and with the moves of the base.
static inline uint32_t lm_memory_epoch(const lm_memory *memory);

// Grows by `pages` (0 is allowed). Returns the size before, in pages, or LM_GROW_REFUSED, and then
// nothing has changed. New pages read as zero.
static inline uint32_t lm_memory_grow(lm_memory *memory, uint32_t pages);

#ifdef __wasm__

static inline unsigned char *lm_memory_base(const lm_memory *memory) {
    (void)memory;
    return (unsigned char *)(uintptr_t)0;
}
static inline uint32_t lm_memory_pages(const lm_memory *memory) {
    (void)memory;
    return (uint32_t)__builtin_wasm_memory_size(0);
}
static inline uint32_t lm_memory_epoch(const lm_memory *memory) {
    return lm_memory_pages(memory);
}
static inline uint32_t lm_memory_grow(lm_memory *memory, uint32_t pages) {
    (void)memory;
    return (uint32_t)__builtin_wasm_memory_grow(0, pages);
}

#else

typedef struct lm_memory_options {
    uint32_t pages;      // at the start
    uint32_t pages_max;  // 1 … LM_PAGES_MAX
    uint32_t heap_start; // as in lm_memory; 0: 16
    bool moving;         // every growth moves the base (a test mode)
    lm_memory_commit commit;
} lm_memory_options;

// Reserves a memory. Returns false, with errno, where the options contradict each other (EINVAL) or
// the system refuses the address space. The memory must be destroyed in the end.
bool lm_memory_create(lm_memory *memory, const lm_memory_options *options);
void lm_memory_destroy(lm_memory *memory);

// Begins anew where a memory with LM_COMMIT_AHEAD lies, or lay first if its content is carried: as
// if destroyed and created with the options, of the same commit and with no larger a maximum than
// it was created with. `cleared`: the caller has cleared what was written to; else that costs two
// system calls at most, and time with what was touched. False: EINVAL, the memory is as it was.
bool lm_memory_renew(lm_memory *memory, const lm_memory_options *options, bool cleared);

// Makes a view of a memory for another thread. False (EINVAL): the thread's number is too large, or
// the memory moves or is committed ahead. A view is not destroyed; it ends with the memory, which
// must not be copied meanwhile. Views may grow the memory and read its size at once.
bool lm_memory_share(lm_memory *memory, lm_memory *view, uint32_t thread);

// What lm_memory_grow does natively.
uint32_t lm_memory_grow_native(lm_memory *memory, uint32_t pages);

// Somebody else grows the memory: never refused by lm_memory_refuse. False: the maximum or the
// system is in the way.
bool lm_memory_grow_foreign(lm_memory *memory, uint32_t pages);

// The next `count` growths are refused: LM_REFUSE_ALL for all from here on, 0 for none.
void lm_memory_refuse(lm_memory *memory, uint32_t count);

// Moves the base: the content stays, pointers into it die. False: no address space.
bool lm_memory_move(lm_memory *memory);

static inline unsigned char *lm_memory_base(const lm_memory *memory) {
    return memory->base;
}
static inline uint32_t lm_memory_pages(const lm_memory *memory) {
    const lm_memory *whole = memory->whole ? memory->whole : memory;
    return __atomic_load_n(&whole->pages, __ATOMIC_ACQUIRE);
}
static inline uint32_t lm_memory_epoch(const lm_memory *memory) {
    return lm_memory_pages(memory) + memory->moves;
}
static inline uint32_t lm_memory_grow(lm_memory *memory, uint32_t pages) {
    return lm_memory_grow_native(memory, pages);
}

#endif
