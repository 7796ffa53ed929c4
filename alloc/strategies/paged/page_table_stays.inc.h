// The table of pages for several threads, which read it while another one extends it.
//
// For a page it has a descriptor, which few threads write often, and a *tag*, which all threads
// read and which is rarely written. They are apart, so that a write to a descriptor does not take
// the cache line from threads that read tags.
//
// Descriptors are in parts that never move. Part k has room for PART_MIN << k of them, so each is
// as large as all before it together and one PART_MIN more. They are counted from PART_MIN on: the
// leading bit of a number then tells its part.
//
//     part 0  [ PART_MIN … ]    part 1  [ 2 PART_MIN … ]    part 2  [ 4 PART_MIN …        ]
//
// Tags are in one piece, to be found with one addition. When the table grows they are copied to a
// larger piece behind the new parts; the old one is left as it was, for threads that still read it.
//
//     [ part 3 ........... ][ tags of parts 0 … 3 ]
//
// Memory orders. A thread reads a page's tag while it has a live block that begins there. The tag
// was written under the lock before that block was returned, so the piece it was written to was in
// `tags` by then: the thread reads this offset or a later one, not an earlier. In this piece the
// tag is visible as the block is. In a later one it is a copy, perhaps of a growth that the thread
// has not synchronised with otherwise: the offset is stored with release and loaded with acquire,
// so the copy is visible with it. Tags of live blocks do not change, so each copy says the same.
//
// Parameters. The strategy has defined page_tag, and `page`, a descriptor, with a member `number`.
// The first descriptor and tag are those of the page before the first.
#pragma once

#include "alloc/strategies/paged/size_classes.h"
#include "alloc/strategies/strategy.h"

#ifndef PAGE_SHIFT
#error "PAGE_SHIFT: log2 of a page's bytes"
#endif
#ifndef TABLE_DESCRIPTORS_MIN
#error "TABLE_DESCRIPTORS_MIN: for how many pages there is room at first"
#endif

enum {
    TABLE_MOVES = 0,
    TABLE_ENTRY_BYTES = sizeof(page) + sizeof(page_tag),
    PART_MIN = TABLE_DESCRIPTORS_MIN,
    PARTS = 33 - PAGE_SHIFT, // by leading bit
};
_Static_assert((PART_MIN & (PART_MIN - 1)) == 0, "a part is told by the leading bit");

typedef struct page_table {
    uint32_t tags;             // offset that the tag of page 0 would have (modulo 2^32); atomic
    uint32_t first;            // the page of the first descriptor
    uint32_t capacity;         // one past the last page with room for a descriptor
    uint32_t parts[PARTS + 1]; // offsets that their descriptors 0 would have, by leading bit
} page_table;

static inline page *table_at(const lm_memory *m, const page_table *t, uint32_t number) {
    uint32_t i = number - t->first + PART_MIN;
    return lm_at(m, t->parts[most_significant_bit(i)] + i * (uint32_t)sizeof(page));
}

static inline page_tag *table_tag(const lm_memory *m, const page_table *t, uint32_t number) {
    uint32_t tags = __atomic_load_n(&t->tags, __ATOMIC_ACQUIRE);
    return lm_at(m, tags + number * (uint32_t)sizeof(page_tag));
}

static inline uint32_t table_number(const lm_memory *m, const page_table *t, const page *p) {
    (void)m, (void)t;
    return p->number;
}

static uint32_t table_offset(const page_table *t) { // 0: its pages are never given back
    (void)t;
    return 0;
}

// Whether `count` entries from an offset on are within the memory.
static bool table_holds_part(const lm_memory *m, uint32_t offset, uint32_t count, uint32_t bytes) {
    return offset % _Alignof(page) == 0 && offset + (uint64_t)count * bytes <= lm_memory_end(m);
}

// Whether the descriptors and tags up to page `end` are: for validate.
static bool table_holds(const lm_memory *m, const page_table *t, uint32_t end) {
    uint32_t count = end - t->first, first = PART_MIN, rest = count;
    for (; rest; first *= 2) {
        uint32_t offset = t->parts[most_significant_bit(first)] + first * (uint32_t)sizeof(page);
        uint32_t part = rest < first ? rest : first;
        if (!table_holds_part(m, offset, part, sizeof(page))) return false;
        rest -= part;
    }
    uint32_t tags = t->tags + t->first * (uint32_t)sizeof(page_tag);
    return end <= t->capacity && table_holds_part(m, tags, count, sizeof(page_tag));
}

// The number of descriptors of the next part, after `count`: as many as before and PART_MIN more,
// or all that are left, if these are at most PART_MIN more than that. The first part has PART_MIN.
static uint32_t table_part_count(const page_table *t, uint32_t count) {
    uint32_t left = (1u << (32 - PAGE_SHIFT)) - t->first - count, more = count + PART_MIN;
    if (count == 0) return left < PART_MIN ? left : PART_MIN;
    return left > PART_MIN && left - PART_MIN > more ? more : left;
}

// Places the next part at an offset and returns its bytes. The last part continues where the next
// would begin.
static uint32_t table_add(page_table *t, uint32_t offset) {
    uint32_t count = t->capacity - t->first, first = count + PART_MIN,
             more = table_part_count(t, count);
    uint32_t part = offset - first * (uint32_t)sizeof(page);
    t->parts[most_significant_bit(first)] = part;
    if (more) t->parts[most_significant_bit(first + more - 1)] = part;
    t->capacity += more;
    return more * (uint32_t)sizeof(page);
}

// Moves the tags to an offset; there are `count` of them.
static void table_tags(const lm_memory *m, page_table *t, uint32_t offset, uint32_t count) {
    if (count)
        memcpy(lm_at(m, offset), table_tag(m, t, t->first), count * (uint32_t)sizeof(page_tag));
    uint32_t tags = offset - t->first * (uint32_t)sizeof(page_tag);
    __atomic_store_n(&t->tags, tags, __ATOMIC_RELEASE);
}

static void table_start(const lm_memory *m, page_table *t, uint32_t first, uint32_t offset,
                        uint32_t bytes) {
    (void)bytes;
    t->first = t->capacity = first;
    table_tags(m, t, offset + table_add(t, offset), 0);
}

// The number of pages that the next parts and all tags take, so that the table covers all pages up
// to `end` and its own.
static uint32_t table_pages(const lm_memory *m, const page_table *t, uint32_t end) {
    (void)m;
    uint32_t count = t->capacity - t->first, pages = 0, more;
    for (uint64_t parts = 0; (more = table_part_count(t, count)) != 0;) {
        parts += more * sizeof(page);
        count += more;
        uint64_t bytes = parts + count * sizeof(page_tag);
        pages = (uint32_t)((bytes + (1 << PAGE_SHIFT) - 1) >> PAGE_SHIFT);
        if (t->first + count >= end + pages + LM_PAGE_BYTES / (1 << PAGE_SHIFT)) break;
    }
    return pages;
}

// Places as many next parts in pages as fit there together with the tags.
static void table_extend(lm_memory *m, page_table *t, uint32_t to, uint32_t pages, uint32_t end) {
    (void)end;
    uint32_t at = to << PAGE_SHIFT, bytes = pages << PAGE_SHIFT, used = 0;
    uint32_t before = t->capacity - t->first, more;
    if (LM_CHECK_LEVEL >= 1) memset(lm_at(m, at), 0, bytes);
    while ((more = table_part_count(t, t->capacity - t->first)) != 0 &&
           more * sizeof(page) + (t->capacity - t->first + more) * sizeof(page_tag) <= bytes - used)
        used += table_add(t, at + used);
    table_tags(m, t, at + used, before);
}
