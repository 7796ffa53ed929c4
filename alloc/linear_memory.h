// Linear memory: one contiguous range that grows at its end and never shrinks, as in WebAssembly.
//
// An address is an offset from the base: 0 ≤ offset < size ≤ 2^32. Sizes are counted in pages of
// 64 KiB. An *end* (one past the last byte) is a 64-bit number, because a memory of 65,536 pages
// ends at exactly 2^32.
//
// Natively, the maximum is reserved when the memory is created and the base does not change, except
// in moving mode: there, every growth moves the base, so that a strategy faults if it uses a
// pointer that it kept across a growth. Accesses beyond the size fault too; if memory is committed
// in steps, accesses beyond the last step. On wasm32 the base is 0 and the memory is the module's
// own.
//
// Other code may grow the memory between any two calls, and any growth may fail. The return value
// of lm_memory_grow is the only way to know where a growth begins.
//
// One thread at a time uses a memory. Several threads share one through views, one for each thread;
// such a memory grows and never moves.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

// Geometry. The explorer compiles with smaller numbers (fuzz/explore/explorer/geometry.h).
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

// Page size and commit policy: how a growth gets memory from the system. Strategies do not see it.
typedef enum lm_memory_commit {
    LM_COMMIT_4K,   // 4 KiB at a time, on first access
    LM_COMMIT_2M,   // 2 MiB at a time, when a growth reaches into them
    LM_COMMIT_HUGE, // huge pages on first access if the system has them, else as 4K
} lm_memory_commit;

enum { LM_COMMIT_STEP_BYTES = 2 << 20 }; // of LM_COMMIT_2M and LM_COMMIT_HUGE: a huge page

struct lm_memory;

// Grows a memory that an embedder provides, such as an engine's or a test's: makes it `pages` long,
// at another address if `moves` (moving mode, lm_memory_move), and stores its base, a multiple of
// 16. The content is kept and new pages read as zero. Returns false, with nothing changed, if that
// is not possible. The caller updates `pages` and `moves`. Accesses beyond the size need not fault.
//
// The embedder initializes such a memory itself, with this hook, its base and its pages, and frees
// it itself: lm_memory_create and lm_memory_destroy are not called, and it has no views.
typedef bool lm_memory_provide(struct lm_memory *memory, uint32_t pages, bool moves);

typedef struct lm_memory {
    uint32_t heap_start; // the first offset that a heap may use: a multiple of 16, never 0 (NULL)
    uint32_t pages_max;
    uint32_t thread; // the calling thread's number, 0 … LM_THREADS_MAX − 1
#ifndef __wasm__
    unsigned char *base;     // a multiple of LM_PAGE_BYTES; with LM_COMMIT_HUGE of 2 MiB
    struct lm_memory *whole; // in a view: the memory that it is a view of; else NULL
    uint32_t pages;          // unused in a view, which reads whole->pages
    uint32_t refusals;       // the number of next growths that fail; LM_REFUSE_ALL: all
    bool moving;
    uint32_t moves;             // how often the base has moved
    lm_memory_provide *provide; // NULL in a memory of lm_memory_create
    lm_memory_commit commit;
    // The embedder's to use if `provide` is set.
    uint32_t pages_committed; // at least `pages`; unused with LM_COMMIT_4K
    void *reservation;        // the mapping, for munmap
    uint64_t reservation_bytes;
#endif
} lm_memory;

// The address of offset 0, valid until the next growth.
static inline unsigned char *lm_memory_base(const lm_memory *memory);

// The size in pages. The end, pages * LM_PAGE_BYTES, needs 64 bits.
static inline uint32_t lm_memory_pages(const lm_memory *memory);

// A number that changes whenever addresses into the memory may become invalid: with every growth,
// which detaches JavaScript's ArrayBuffer of the memory, and with every move of the base.
static inline uint32_t lm_memory_epoch(const lm_memory *memory);

// Grows the memory by `pages`, which may be 0. Returns the size before in pages, or LM_GROW_REFUSED
// if the growth failed; the memory is then unchanged. New pages read as zero.
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

// As natively (below), except that no growth can be refused here and the base cannot be moved.
static inline bool lm_memory_grow_foreign(lm_memory *memory, uint32_t pages) {
    return lm_memory_grow(memory, pages) != LM_GROW_REFUSED;
}
static inline void lm_memory_refuse(lm_memory *memory, uint32_t count) {
    (void)memory, (void)count;
}
static inline bool lm_memory_move(lm_memory *memory) {
    (void)memory;
    return false;
}

#else

typedef struct lm_memory_options {
    uint32_t pages;      // initial size
    uint32_t pages_max;  // 1 … LM_PAGES_MAX
    uint32_t heap_start; // as in lm_memory; 0 means 16
    bool moving;         // every growth moves the base: a test mode
    lm_memory_commit commit;
} lm_memory_options;

// Reserves a memory. Returns false and sets errno if the options contradict each other (EINVAL) or
// the system has no address space left. The caller destroys the memory.
bool lm_memory_create(lm_memory *memory, const lm_memory_options *options);
void lm_memory_destroy(lm_memory *memory);

// Makes a view of a memory for another thread. Returns false (EINVAL) if the thread's number is too
// large, or if the memory is in moving mode or provided by an embedder. A view need not be
// destroyed; it is valid as long as the memory, whose struct must not be copied meanwhile. Several
// views may grow the memory and read its size at the same time.
bool lm_memory_share(lm_memory *memory, lm_memory *view, uint32_t thread);

// lm_memory_grow, natively.
uint32_t lm_memory_grow_native(lm_memory *memory, uint32_t pages);

// Grows the memory as other code would; lm_memory_refuse has no effect on it. Returns false if the
// maximum or the system does not allow it.
bool lm_memory_grow_foreign(lm_memory *memory, uint32_t pages);

// Makes the next `count` growths fail: all with LM_REFUSE_ALL, none with 0.
void lm_memory_refuse(lm_memory *memory, uint32_t count);

// Moves the memory to another base with its content; pointers into it become invalid. Returns false
// if the system has no address space left.
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

#ifdef __cplusplus
}
#endif
