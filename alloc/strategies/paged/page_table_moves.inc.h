// The table of page descriptors in one piece, which moves to a larger place when it is full: a
// descriptor is found with one addition, and its address is valid until the next growth only.
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
    uint32_t at;       // offset that the descriptor of page 0 would have (modulo 2^32)
    uint32_t first;    // the page of the first descriptor
    uint32_t capacity; // one past the last page with room for a descriptor
} page_table;

static inline page *table_at(const lm_memory *m, const page_table *t, uint32_t number) {
    return lm_at(m, t->at + number * (uint32_t)sizeof(page));
}

static inline uint32_t table_number(const lm_memory *m, const page_table *t, const page *p) {
    return (lm_offset(m, p) - t->at) / (uint32_t)sizeof(page);
}

// The offset of the table.
static uint32_t table_offset(const page_table *t) {
    return t->at + t->first * (uint32_t)sizeof(page);
}

// Whether the descriptors up to page `end` are within the memory: for validate.
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

// The length of a table with room for twice the pages up to `end`, so for its own too; but for no
// more than the memory can have.
static uint32_t table_pages(const lm_memory *m, const page_table *t, uint32_t end) {
    const uint32_t growth = LM_PAGE_BYTES / (1 << PAGE_SHIFT);
    uint64_t count = 2 * ((uint64_t)(end - t->first) + growth);
    uint64_t most = (uint64_t)m->pages_max * growth - t->first;
    uint64_t bytes = (count < most ? count : most) * sizeof(page);
    return (uint32_t)((bytes + (1 << PAGE_SHIFT) - 1) >> PAGE_SHIFT);
}

// Moves the table, with the descriptors up to page `end`, to other pages; later descriptors are
// written when their pages are added.
static void table_extend(lm_memory *m, page_table *t, uint32_t to, uint32_t pages, uint32_t end) {
    uint32_t used = (end - t->first) * (uint32_t)sizeof(page), bytes = pages << PAGE_SHIFT;
    memcpy(lm_at(m, to << PAGE_SHIFT), lm_at(m, table_offset(t)), used);
    table_start(m, t, t->first, to << PAGE_SHIFT, bytes);
    if (LM_CHECK_LEVEL >= 1) memset(lm_at(m, (to << PAGE_SHIFT) + used), 0, bytes - used);
}
