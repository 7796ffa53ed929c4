// The explorer's geometry, included before anything else in all that its program is made of:
// memories of 1 KiB pages, and strategies whose tables, bins, slabs and caches are as small, so
// that a few operations fill them, outgrow them and make them move.
#pragma once

#define LM_PAGE_LOG2    10
#define LM_PAGES_LOG2   6
#define LM_THREADS_LOG2 1

// boundary tags: tlsf; best_fit and bins; first_fit and next_fit
#define COLUMN_BITS 2
#define LISTS_LOG2  2
#ifndef EXPLORED_bitmap // whose groups are others
#define GROUPS 2
#define GROUP  4
#endif

// segregated; buddy: blocks up to 4 KiB
#ifdef EXPLORED_segregated
#define CLASSES 9
#endif
#define ORDERS 9

// buffers: counts, generations and tables that are soon full
#define LM_COUNT_BITS      3
#define LM_GENERATION_BITS 4 // a state whose views are probed takes some 70 slots
#define LM_SLOT_BITS       3
#define LM_RECORDS_FIRST   1
#define LM_MEMORIES_MAX    3

// page maps; bitmap
#define TABLE_PAGES_MIN 2
#define LONG            128
#define GROUP_PAGES     4

// paged, paged_2k, paged_shared
#ifdef EXPLORED_paged_2k
#define PAGE_SHIFT 9
#else
#define PAGE_SHIFT 8
#endif
#define SMALL_MAX_BYTES    512
#define SMALL_HEAP_BYTES   4096
#define TABLE_MEMORY_BYTES (8 << PAGE_SHIFT)
#define SLAB_BLOCKS_SMALL  2
#define SLAB_BYTES_SMALL   512
#define SLAB_BLOCKS        4
#define SLAB_BYTES_MAX     1024
#define CARVE_BYTES        64
#define CACHE_BYTES_MAX    32
#define MESSAGE_BYTES_MAX  64
