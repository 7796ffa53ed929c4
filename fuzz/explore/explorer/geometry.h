// The explorer's geometry, included first in every file of linmem-explorer: memories of 1 KiB
// pages, and strategies with tables, bins, slabs and caches so small that a few operations fill,
// outgrow and move them (LM_GEOMETRY in each strategy). All names begin with LM_, since strategies
// use any others.
#pragma once

#define LM_PAGE_LOG2    10
#define LM_PAGES_LOG2   6
#define LM_THREADS_LOG2 1

// strategies: LM_GEOMETRY
#define LM_TINY

// buffers: small counts, generations and tables
#define LM_COUNT_BITS      3
#define LM_GENERATION_BITS 4 // a state whose views are probed uses some 70 slots
#define LM_SLOT_BITS       3
#define LM_RECORDS_FIRST   1
#define LM_MEMORIES_MAX    3
