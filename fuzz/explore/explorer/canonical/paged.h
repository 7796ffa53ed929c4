// Live parts of a run other than a slab: its first and last descriptor and, unless it is free, its
// bytes. Of a free block in a slab: its link and guard. The first table is not read once the table
// has moved.
#pragma once

#include "alloc/strategies/strategy.h"

static void clear_run(lm_memory *m, uint32_t n, const page *p) {
    uint32_t first = n + 1, last = n + p->length - 1;
    uint32_t end = n + p->length < runs_of(m)->clean ? n + p->length : runs_of(m)->clean;
    if (p->kind == PAGE_FREE && n < end)
        memset(lm_at(m, n << PAGE_SHIFT), IMAGE_JUNK, (end - n) << PAGE_SHIFT);
    for (uint32_t i = first; i < last; i++)
        *runs_page(m, runs_of(m), i) = (page){.kind = PAGE_FREE};
#ifdef PAGED_SHARED
    for (uint32_t i = n + (p->kind == PAGE_LARGE); i < n + p->length; i++)
        *tag_at(m, i) = (page_tag){0};
#endif
}

static void clear_slab(lm_memory *m, const page *p) {
    for (uint32_t block = p->free; block; block = *paged_link(m, block))
        memset(paged_link(m, block) + 2, IMAGE_JUNK, class_bytes(p->class) - 2 * sizeof(uint32_t));
}

static void canonicalize(lm_memory *m) {
    const page_runs *r = runs_of(m);
    uint32_t length = 1;
    for (uint32_t n = r->first; n < r->end; n += length) {
        const page *p = runs_page(m, r, n);
        length = p->kind == PAGE_NOT_OURS ? 1 : p->length;
        if (p->kind == PAGE_FREE || p->kind == PAGE_LARGE || p->kind == PAGE_TABLE)
            clear_run(m, n, p);
        else if (p->kind == PAGE_SLAB)
            clear_slab(m, p);
    }
#ifndef PAGED_SHARED
    uint32_t front = m->heap_start + (uint32_t)sizeof(state);
    if (table_offset(&r->table) != front)
        memset(lm_at(m, front), 0, (r->first << PAGE_SHIFT) - front);
#endif
}
