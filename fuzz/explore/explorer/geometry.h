// The explorer's geometry, included before anything else in all that its program is made of:
// memories of 1 KiB pages, and strategies whose tables, bins, slabs and caches are as small, so
// that a few operations fill them, outgrow them and make them move (LM_GEOMETRY in each strategy).
// All names begin with LM_: strategies are free to use any others.
#pragma once

#define LM_PAGE_LOG2    10
#define LM_PAGES_LOG2   6
#define LM_THREADS_LOG2 1

// strategies: LM_GEOMETRY
#define LM_TINY

// buffers: counts, generations and tables that are soon full
#define LM_COUNT_BITS      3
#define LM_GENERATION_BITS 4 // a state whose views are probed takes some 70 slots
#define LM_SLOT_BITS       3
#define LM_RECORDS_FIRST   1
#define LM_MEMORIES_MAX    3
