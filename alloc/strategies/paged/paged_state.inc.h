// What paged's parts share: the geometry, a page's descriptor, the records of a heap.
#pragma once

#include "alloc/strategies/strategy.h"

// Parameters, all optional:
//     PAGED_SHARED          several threads share the memory
//     PAGE_SHIFT            log2 of a page's bytes; 24 bytes of each are the table's
//     SMALL_MAX_BYTES       the largest class
//     SMALL_HEAP_BYTES      up to here a page of the memory counts for more than a few steps
//     TABLE_MEMORY_BYTES    that the first table has room for
#ifndef PAGE_SHIFT
#define PAGE_SHIFT LM_GEOMETRY(12, 8)
#endif
#ifndef SMALL_MAX_BYTES
#define SMALL_MAX_BYTES LM_GEOMETRY(32768, 512)
#endif
#ifndef SMALL_HEAP_BYTES
#define SMALL_HEAP_BYTES LM_GEOMETRY(3 << 19, 4096)
#endif
#ifndef TABLE_MEMORY_BYTES
#define TABLE_MEMORY_BYTES LM_GEOMETRY(1 << 18, 8 << PAGE_SHIFT)
#endif
#define TABLE_DESCRIPTORS_MIN (TABLE_MEMORY_BYTES >> PAGE_SHIFT)

// A page's descriptor. All pages of a slab have its kind and class, and `back` or the tag leads to
// the slab; all else is in a run's first page.
typedef struct page {
    uint32_t free;       // slab: its first free block; else 0
    uint32_t next, prev; // slab with free blocks, free run: neighbours in its list, page numbers
    uint32_t length;     // the run, in pages
    uint16_t used;       // slab: blocks allocated
    uint16_t uncarved;   // slab: blocks at its end that were never allocated
    uint8_t kind, class;
#ifdef PAGED_SHARED
    uint32_t number; // slab: its first page
} page;

// A page's tag: what any thread may read of a page in which a live block begins.
typedef struct page_tag {
    uint8_t class;  // the block's, or LARGE
    uint8_t thread; // slab: its owner
    uint32_t slab;  // its descriptor's handle
} page_tag;
#else
    uint16_t back; // slab: bytes of descriptors back to its first one
} page;

typedef page page_tag; // read of a block's page before its slab is known
#endif

enum {
    CLASSES = 4 * (31 - __builtin_clz(SMALL_MAX_BYTES)) - 20, // class_of(SMALL_MAX_BYTES) + 1
    LARGE = CLASSES,                                          // in place of a class
};

#ifdef PAGED_SHARED
enum { CACHE_LINE_BYTES = 64 };

// Free blocks of a class, from any slabs.
typedef struct cache {
    uint32_t free; // the first
    int32_t room;  // for so many more; below 0 if a slab's whole list was taken
} cache;

// Blocks that will be sent to a thread.
typedef struct outbox {
    uint32_t message; // one of them, which lists the others
    uint16_t room;    // for so many more
    uint16_t bytes;   // of all of them
} outbox;
#endif

typedef struct heap {
    uint32_t slab[CLASSES];    // the current slab of each class: its descriptor's handle
    uint32_t partial[CLASSES]; // other slabs with free blocks
    uint16_t rents[CLASSES];   // the number of blocks that a class has rented
    uint32_t pages[CLASSES];   // of all its slabs
#ifdef PAGED_SHARED
    cache caches[CLASSES + 1]; // that of LARGE has no room
    outbox outboxes[LM_THREADS_MAX];
    uint8_t apart[CACHE_LINE_BYTES]; // other threads write to no line that we use
    uint32_t mail;                   // messages to us; atomic
#endif
} heap;

static inline uint32_t *paged_link(const lm_memory *memory, uint32_t block) {
    return lm_at(memory, block);
}
