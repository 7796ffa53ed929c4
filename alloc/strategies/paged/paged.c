// paged: size classes in runs of pages, with a free list in each run.
//
// Idea: memory is divided into pages of 4 KiB. A *run* of adjacent pages is free, or holds one
// large block, or is a *slab*: blocks of one size class, side by side and without headers. A slab
// has its own free list, so blocks that are allocated one after the other are close together, and a
// slab whose blocks are all free becomes a free run again, for any class. A table of page
// descriptors, apart from the blocks, says what each run is: the address of a block gives its page,
// the page its slab.
//
// Source: slabs: Bonwick (1994). Page-local free lists: Leijen, Zorn, de Moura, "Mimalloc" (2019).
// Runs of pages with a table beside them: Ghemawat's TCMalloc; in bins by length, with a bitmap, as
// in TLSF (Masmano et al. 2004). Four classes to a doubling: Evans's jemalloc (2006).
//
// Layout, in the order of offsets:
//
//     heap_start                first page
//     [ heap | first table ... ][ page ][ page ][ page ] ...            -> end of memory
//                               [ slab: block block block ][ large block ][ free run ][ not ours ]
//
// The table has a descriptor for each page, and one for the page before the first: a slab without
// blocks, which is the current slab of a class that has none. A table that is full moves into pages
// of its own, twice as large.
//
// How a small heap stays small. A class without a free block *rents* before it buys: it takes a
// block of one of the three classes above, at most twice as large, or a run of its own, until these
// amount to half a page; only then it gets a slab. Its first slab is the smallest that loses at
// most an eighth at its end, each further one as large as all that the class has, up to 64 blocks,
// or a 96th of the heap, or 128 KiB; in a heap of up to 1.5 MiB up to 8 blocks or 16 KiB. Before
// the memory grows, slabs without a live block become free runs, and a smaller slab is tried; in a
// small heap, the pages of slabs that no block was allocated from become free as well, and a block
// of a larger class is tried first.
//
// How a heap ages: its state depends on what is live, not on what was live before, except for its
// size and the places of its free runs. From 1.5 MiB on it counts as large, so a program that is
// repeated in a heap that it has grown so far takes more: in ten rounds lua 36 pages instead of 27
// (paged_2k 36 instead of 25), all others that were recorded a tenth more at most (paged_shared,
// whose table's parts lie between the runs: a half). Free runs are elsewhere in each round, so now
// and then a request finds no gap that it found before, and the memory grows; the larger the heap,
// the more rarely. In 300 rounds lua reached 38 pages, and geometry with paged_2k 98 instead of 78,
// by one block in round 17. The bound below holds for any number of rounds.
// corpus/replay/rounds_test.c replays ten.
//
// Laws (validate's names): those of page_runs.inc.h, and
//     slab-count      blocks allocated + free list + those never allocated = the slab's capacity
//     slab-links      a slab's free list stays in the slab, at multiples of the block size
//     partial         a slab is on its class's list exactly if it has a free block and is not the
//                     class's current one
//
// Time: allocate and free of a small block: a few loads and stores, no search. Else a bounded
// number of steps: at most 64 runs of the fitting list are tried, then the bitmap's first; except
// for the table's move when it is full, O(1) amortised over the pages added and not constant.
// resize of a large block extends into a free neighbour or the memory's end; if it has to move it
// gets an eighth more, so growing by steps costs O(1) amortised a byte. allocate_zeroed of a large
// block clears only what may be dirty. Check level 1 takes constant time too, unless a live block
// holds by chance the mark of a free one: then its slab's free list is walked.
// Space: blocks up to 32 KiB: at most a quarter above the size asked for (15 bytes below 80 bytes),
// or twice if rented; larger ones: less than a page. Besides the blocks: a slab's uncarved end, and
// 24 bytes a page for the table, twice that after it has moved.
//
// Bound: for each live block a run of up to 128 KiB or of its own length, and before it a gap that
// is just too short, as with all segregated classes: a slab belongs to its class while one block in
// it is live.
//
// Good at: speed, and programs with many blocks of few sizes. Bad at: heaps of a few pages with
// many sizes: there a page is too much for a class, and paged_2k takes less.

// Geometry, page descriptors, the records of a heap.
#include "alloc/strategies/paged/paged_state.inc.h"

// The table of descriptors, in one piece.
#include "alloc/strategies/paged/page_table_moves.inc.h"

// Runs of pages, growth.
#include "alloc/strategies/paged/page_runs.inc.h"

// One thread: one heap, no locks.
#include "alloc/strategies/paged/paged_alone.inc.h"

// Slabs, and the functions of the table.
#include "alloc/strategies/paged/paged.inc.h"

LM_STRATEGY(paged, paged, .idea = "size classes in 4 KiB pages, a free list for each run",
            .bound = "M + (B + 2) (288 KiB + 5/4 n): a run and a gap for each block",
            .capabilities = PAGED_CAPABILITIES, .allocate_dirty = paged_allocate_dirty,
            .heap_bytes_max = paged_heap_bytes_max);
