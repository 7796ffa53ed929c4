// paged_shared: paged for several threads on a shared memory, with a heap for each.
//
// Idea: each thread has slabs of its own (paged.c) and, in front of them, a cache for each class.
// It frees every block into its cache, and allocates from there, without an atomic operation. If a
// cache is full, a block returns to its slab; if that is another thread's, in messages of up to
// 16 blocks (paged_threads.inc.h). Runs of pages are shared, under a lock.
//
// Source: paged's. Caches: Ghemawat's TCMalloc. Messages in batches to the owner of the slab:
// Liétar et al., "snmalloc: a message passing allocator" (2019). The table that grows by parts and
// never moves: Brodnik et al., "Resizable arrays in optimal time and space" (1999).
//
// Layout, laws: paged.c, paged_threads.inc.h. No other thread may call during validate and reset.
//
// Time: allocate and free of a small block of any thread: a few loads and stores; no lock, and no
// atomic operation but an acquire load. A cache is filled with a slab's whole list: O(1); blocks
// that arrive in messages cost a step each. A block that returns to another thread's slab costs a
// sixteenth of a compare-and-swap, a third for blocks of 16 bytes. Requests to the runs (a new
// slab, an empty one that is freed, a large block) take the lock, a spin lock: held for a bounded
// number of steps or for one growth, as a main thread of WebAssembly may not wait. If the memory is
// full, a thread's caches are emptied before an allocation fails: O(cached).
// Space: paged's, and for each thread a page for its heap, slabs of its own, and the blocks it has
// freed and keeps: for each class up to 16 KiB and a slab's list, for each other thread a message
// of less than 32 KiB. A thread that ends or only frees keeps those until another one takes its
// number, and an allocation may fail while other threads keep enough for it. 36 bytes a page for
// the table, up to 80 after it has grown. In a heap of 4 GiB the table's parts, which stay, leave
// no run of 2 GiB after a reset; and free runs on both sides of a part do not join: a buffer that
// grows by a page a step to 300 and is copied takes 1,339 pages, but 910 if the first part has room
// for all (paged 717; alloc/conformance/pages_test.c). Two threads' blocks may share a cache line.
//
// Bound: none, as each block in a cache or a message may keep a slab.
//
// Good at: several threads, producers and consumers; blocks of many sizes, allocated and freed at
// random. Bad at: one thread in a small heap, for which paged takes less.
#define PAGED_SHARED

// Geometry, page descriptors, the records of a heap.
#include "alloc/strategies/paged/paged_state.inc.h"

// The table of descriptors, in parts.
#include "alloc/strategies/paged/page_table_stays.inc.h"

// Runs of pages, growth.
#include "alloc/strategies/paged/page_runs.inc.h"

// A heap for each thread, caches, messages.
#include "alloc/strategies/paged/paged_threads.inc.h"

// Slabs, and the functions of the table.
#include "alloc/strategies/paged/paged.inc.h"

LM_STRATEGY(paged_shared, paged, .idea = "paged for threads: caches, slabs and mail for each",
            .bound = "none: a slab may be kept for each block in a thread's caches",
            .capabilities = PAGED_CAPABILITIES | LM_SHARES_THREADS,
            .allocate_dirty = paged_allocate_dirty);
