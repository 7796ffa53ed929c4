// paged with pages of 4 KiB.
#include "alloc/strategies/paged/paged_state.inc.h"

#include "alloc/strategies/paged/page_table_moves.inc.h"

#include "alloc/strategies/paged/page_runs.inc.h"

#include "alloc/strategies/paged/paged_alone.inc.h"

#include "alloc/strategies/paged/paged.inc.h"

LM_STRATEGY(paged, paged, .idea = "size classes in 4 KiB pages, a free list for each run",
            .bound = "M + (B + 2) (288 KiB + 5/4 n): a run and a gap for each block",
            .capabilities = PAGED_CAPABILITIES, .allocate_dirty = paged_allocate_dirty,
            .heap_bytes_max = paged_heap_bytes_max);
