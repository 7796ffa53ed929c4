// paged_shared: paged for several threads on a shared memory, with a heap for each.
//
// Idea. Every thread has slabs of its own (paged.h) and allocates and frees its own blocks without
// an atomic operation; a block that another thread frees goes back to its slab by one
// compare-and-swap (paged_threads.h). Runs of pages are common, under a lock.
//
// Source. paged's, and Leijen, Zorn, de Moura, "Mimalloc: free list sharding in action" (2019) for
// the two lists of a page, local and remote, and the delayed free of full pages; the table that
// grows by parts and never moves: Brodnik et al., "Resizable arrays in optimal time and space"
// (1999).
//
// Layout, laws: paged.h, paged_threads.h; validate and reset are called while no other thread is
// at work in the heap.
//
// Cost. allocate and free of a thread's own small block: as paged, one load more; no lock, no
// atomic operation. A remote free: a compare-and-swap, two where the slab was full. What goes to
// the runs (a new slab, an empty one that goes back, a large block) takes the lock, which is a spin
// lock: held for a bounded number of steps, or for one growth, as a main thread of WebAssembly may
// not wait. Waste. paged's, and for each thread a page for its heap and slabs of its own: a block
// freed by another thread serves the owner's class only, once the owner comes for more. The heap of
// a thread that has ended stays until another one takes its number. 32 bytes a page for the table,
// up to twice that. In a heap of 4 GiB the table's parts, which stay, leave no run of 2 GiB after a
// reset.
//
// Good at: several threads, producers and consumers. Bad at: one thread in a small heap, for which
// paged takes less.
#define PAGED_SHARED
#define TABLE_STAYS
#define PAGED      paged_shared
#define PAGED_NAME "paged_shared"
#define PAGED_IDEA "paged for threads: a heap each, remote frees, atomics"
#include "alloc/strategies/paged.h"
