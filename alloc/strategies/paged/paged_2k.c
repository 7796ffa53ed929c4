// paged_2k: paged with pages of 2 KiB, for heaps of under 1 MiB: slabs start at half the size, and
// large blocks are rounded up to half as much. The table takes 1.2 % of the memory.
#define PAGE_SHIFT LM_GEOMETRY(11, 9)

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

LM_STRATEGY(paged_2k, paged, .idea = "paged with pages of 2 KiB, for small heaps",
            .bound = "M + (B + 2) (288 KiB + 5/4 n): a run and a gap for each block",
            .capabilities = PAGED_CAPABILITIES, .allocate_dirty = paged_allocate_dirty,
            .heap_bytes_max = paged_heap_bytes_max);
