// The table of page descriptors in one piece, which moves to a larger place when it is full: a
// descriptor is found with one addition, and nobody may keep its address across a growth.
//
// Parameters. The strategy has defined `page`, a descriptor. The first descriptor is that of the
// page before the first.
#pragma once

#include "alloc/strategies/strategy.h"

#ifndef PAGE_SHIFT
#error "PAGE_SHIFT: log2 of a page's bytes"
#endif

enum {
    TABLE_MOVES = 1,
    TABLE_ENTRY_BYTES = sizeof(page),
};

typedef struct page_table {
    uint32_t at;       // offset of the descriptor of page 0, were there one (modulo 2^32)
    uint32_t first;    // the page that the first descriptor is of
    uint32_t capacity; // one past the last page that there is room for
} page_table;

static inline page *table_at(const lm_memory *m, const page_table *t, uint32_t number) {
    return lm_at(m, t->at + number * (uint32_t)sizeof(page));
}

static inline uint32_t table_number(const lm_memory *m, const page_table *t, const page *p) {
    return (lm_offset(m, p) - t->at) / (uint32_t)sizeof(page);
}

// The offset at which the table lies.
static uint32_t table_offset(const page_table *t) {
    return t->at + t->first * (uint32_t)sizeof(page);
}

// Whether the descriptors up to page `end` lie within the memory: for the walk.
static bool table_holds(const lm_memory *m, const page_table *t, uint32_t end) {
    uint32_t offset = table_offset(t);
    return offset % _Alignof(page) == 0 && end <= t->capacity &&
           offset + (uint64_t)(end - t->first) * sizeof(page) <= lm_memory_end(m);
}

static void table_start(const lm_memory *m, page_table *t, uint32_t first, uint32_t offset,
                        uint32_t bytes) {
    (void)m;
    t->first = first;
    t->at = offset - first * (uint32_t)sizeof(page);
    t->capacity = first + bytes / (uint32_t)sizeof(page);
}

// How many pages a table takes that has room for twice the pages up to `end`, so for its own too;
// but for no more than the memory can ever have.
static uint32_t table_pages(const lm_memory *m, const page_table *t, uint32_t end) {
    const uint32_t growth = LM_PAGE_BYTES / (1 << PAGE_SHIFT);
    uint64_t count = 2 * ((uint64_t)(end - t->first) + growth);
    uint64_t most = (uint64_t)m->pages_max * growth - t->first;
    uint64_t bytes = (count < most ? count : most) * sizeof(page);
    return (uint32_t)((bytes + (1 << PAGE_SHIFT) - 1) >> PAGE_SHIFT);
}

// The table, with descriptors up to page `end`, goes to other pages; those of pages to come are
// written when they come.
static void table_extend(lm_memory *m, page_table *t, uint32_t to, uint32_t pages, uint32_t end) {
    uint32_t used = (end - t->first) * (uint32_t)sizeof(page), bytes = pages << PAGE_SHIFT;
    memcpy(lm_at(m, to << PAGE_SHIFT), lm_at(m, table_offset(t)), used);
    table_start(m, t, t->first, to << PAGE_SHIFT, bytes);
    if (LM_CHECK_LEVEL >= 1) memset(lm_at(m, (to << PAGE_SHIFT) + used), 0, bytes - used);
}
