// The table of page descriptors in parts that stay where they are: threads may look one up while
// another one grows the memory.
//
// Part k has room for PART_MIN << k descriptors, so that each is as large as all before it together
// and one more. Descriptors are counted from PART_MIN on: the leading bit of a number then tells
// its part.
//
//     part 0  [ PART_MIN … ]    part 1  [ 2 PART_MIN … ]    part 2  [ 4 PART_MIN …        ]
//
// Who includes this has defined PAGE_SHIFT, TABLE_DESCRIPTORS_MIN and page, with a member `number`.
// The first descriptor is that of the page before the first.
#pragma once

#include "alloc/strategies/size_classes.h"
#include "alloc/strategies/strategy.h"

enum {
    TABLE_MOVES = 0,
    PART_MIN = TABLE_DESCRIPTORS_MIN,
    PARTS = 33 - PAGE_SHIFT, // by leading bit
};
_Static_assert((PART_MIN & (PART_MIN - 1)) == 0, "a part is told by the leading bit");

typedef struct page_table {
    uint32_t first;            // the page that the first descriptor is of
    uint32_t capacity;         // one past the last page that there is room for
    uint32_t parts[PARTS + 1]; // where the part's descriptor 0 would be, by leading bit
} page_table;

static inline page *table_at(const lm_memory *m, const page_table *t, uint32_t number) {
    uint32_t i = number - t->first + PART_MIN;
    return lm_at(m, t->parts[most_significant_bit(i)] + i * (uint32_t)sizeof(page));
}

static inline uint32_t table_number(const lm_memory *m, const page_table *t, const page *p) {
    (void)m, (void)t;
    return p->number;
}

static uint32_t table_offset(const page_table *t) { // no page: it is not to be given back
    (void)t;
    return 0;
}

// How many descriptors the next part has, after `count`: as many as before and PART_MIN more, but
// no more than there can be pages.
static uint32_t part_count(const page_table *t, uint32_t count) {
    uint32_t most = (1u << (32 - PAGE_SHIFT)) - t->first - count;
    return count + PART_MIN < most ? count + PART_MIN : most;
}

// The next part goes to an offset. Returns its bytes.
static uint32_t table_add(page_table *t, uint32_t offset) {
    uint32_t count = t->capacity - t->first, first = count + PART_MIN, more = part_count(t, count);
    t->parts[most_significant_bit(first)] = offset - first * (uint32_t)sizeof(page);
    t->capacity += more;
    return more * (uint32_t)sizeof(page);
}

static void table_start(page_table *t, uint32_t first, uint32_t offset, uint32_t bytes) {
    (void)bytes;
    t->first = t->capacity = first;
    table_add(t, offset);
}

// How many pages the next parts take, so that all up to `end` have descriptors, and they too.
static uint32_t table_pages(const page_table *t, uint32_t end) {
    uint32_t count = t->capacity - t->first, pages = 0, more;
    for (uint64_t bytes = 0; (more = part_count(t, count)) != 0;) {
        bytes += more * sizeof(page);
        count += more;
        pages = (uint32_t)((bytes + (1 << PAGE_SHIFT) - 1) >> PAGE_SHIFT);
        if (t->first + count >= end + pages + LM_PAGE_BYTES / (1 << PAGE_SHIFT)) break;
    }
    return pages;
}

// The next parts go to pages, as many as they hold.
static void table_extend(lm_memory *m, page_table *t, uint32_t to, uint32_t pages, uint32_t end) {
    (void)end;
    uint32_t at = to << PAGE_SHIFT, bytes = pages << PAGE_SHIFT;
    if (LM_CHECK_LEVEL >= 1) memset(lm_at(m, at), 0, bytes);
    for (uint32_t used = 0, more; (more = part_count(t, t->capacity - t->first)) != 0 &&
                                  more <= (bytes - used) / sizeof(page);)
        used += table_add(t, at + used);
}
