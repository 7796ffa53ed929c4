// paged_shared: paged for several threads on a shared memory, with a heap for each.
//
// Idea. Every thread has slabs of its own (paged.inc.h) and, before them, a cache for each class,
// to which it frees whatever it frees, and from which it allocates, without an atomic operation.
// What a cache has no room for goes back to its slab, where that is another thread's in messages of
// up to 16 blocks (paged_threads.inc.h). Runs of pages are common, under a lock.
//
// Source. paged's; caches: Ghemawat's TCMalloc; messages in batches to whose the slab is: Liétar et
// al., "snmalloc: a message passing allocator" (2019); the table that grows by parts and never
// moves: Brodnik et al., "Resizable arrays in optimal time and space" (1999).
//
// Layout, laws: paged.inc.h, paged_threads.inc.h; validate and reset are called while no other
// thread is at work in the heap.
//
// Cost. allocate and free of a small block, whosever: a few loads and stores; no lock, no atomic
// operation but an acquire load. A cache is filled by a slab's list as a whole: O(1); what comes by
// mail then costs a step for each block. One that goes back to another thread's slab costs a
// sixteenth of a compare-and-swap, a third if it is of 16 bytes. What goes to the runs (a new slab,
// an empty one that goes back, a large block) takes the lock, which is a spin lock: held for a
// bounded number of steps, or for one growth, as a main thread of WebAssembly may not wait. Where
// no memory is left, a thread's caches are given back before an allocation fails: O(cached).
// Waste. paged's, and for each thread a page for its heap, slabs of its own, and what it has freed
// and keeps: of each class up to 16 KiB and a slab's list, and for each other thread a message of
// less than 32 KiB. A thread that ends or only frees keeps that until another one takes its number,
// and an allocation may fail while others keep what it could do with. 36 bytes a page for the
// table, up to 80 after it has grown. In a heap of 4 GiB the table's parts, which stay, leave no
// run of 2 GiB after a reset; and free runs on both sides of a part do not join: a buffer that
// grows by a page a step to 300, and is copied, takes 1,339 pages, but 910 where the first part has
// room for all (paged 717; alloc/conformance/pages_test.c). Neighbours in a cache line may be two
// threads'.
//
// Good at: several threads, producers and consumers; blocks of many sizes that come and go at
// random. Bad at: one thread in a small heap, for which paged takes less.
#define PAGED_SHARED
#include "alloc/strategies/paged/paged_state.inc.h"

#include "alloc/strategies/paged/page_table_stays.inc.h"

#include "alloc/strategies/paged/page_runs.inc.h"

#include "alloc/strategies/paged/paged_threads.inc.h"

#include "alloc/strategies/paged/paged.inc.h"

LM_STRATEGY(paged_shared, paged, .idea = "paged for threads: caches, slabs and mail for each",
            .bound = "none: a slab may be kept for each block in a thread's caches",
            .capabilities = PAGED_CAPABILITIES | LM_SHARES_THREADS,
            .allocate_dirty = paged_allocate_dirty);
