// Runs of pages: the memory as a row of pages with a table of descriptors beside it.
//
// A *run* of adjacent pages is free, or in use as one thing: a large block, a slab, the table
// itself. Free runs never touch (they merge) and are in bins by length.
//
// Layout, in the order of offsets:
//
//     heap_start                first page
//     [ state | first table ... ][ page ][ page ][ page ] ...           -> end of memory
//                                [ free run ][ run ][ run ][ not ours ]
//
// The state begins with a page_runs. The table has a descriptor for each page, and one for the page
// before the first, which the strategy may use as an empty run. A table that is full gets pages of
// its own, for twice as many: it moves there (page_table_moves.inc.h) or continues there
// (page_table_stays.inc.h).
//
// Laws (runs_validate's names):
//     runs            runs tile the pages from the first to the last
//     table           a table that moves is one run at most, where it lies
//     coalesced       no two free runs are adjacent
//     bins            each free run is in the list of its length; the bitmap says which have one
//     clean           no page from the clean one on is in use
//
// Parameters. The strategy has included one of the tables, and so defined `page`, a descriptor: a
// struct with at least
//     uint32_t next, prev; // free run: neighbours in its list, page numbers
//     uint32_t length;     // the run, in pages; also in a free run's last page
//     uint8_t kind;        // a page_kind
// A run is described in its first page's descriptor; the other descriptors of a run in use are the
// strategy's. Page numbers and offsets stay valid when the memory grows; pointers do not.
#pragma once

#include "alloc/strategies/paged/size_classes.h"
#include "alloc/strategies/strategy.h"

#ifndef PAGE_SHIFT
#error "PAGE_SHIFT: log2 of a page's bytes"
#endif

enum {
    PAGE_BYTES = 1 << PAGE_SHIFT,
    PAGES_MAX = 1 << (32 - PAGE_SHIFT), // 4 GiB
    PAGES_A_GROWTH = LM_PAGE_BYTES / PAGE_BYTES,
    RUNS_BINS = 4 * (32 - PAGE_SHIFT) - 4, // runs_bin(PAGES_MAX) + 1
    RUNS_TRIES = 8,
    RUNS_TRIES_LAST = 64, // before the memory grows
};

typedef enum page_kind {
    PAGE_NOT_OURS, // foreign: other code's growth
    PAGE_FREE,
    PAGE_SLAB,  // many blocks
    PAGE_LARGE, // one block
    PAGE_TABLE,
    PAGE_HEAP, // the strategy's records
} page_kind;

typedef struct page_runs {
    page_table table;
    uint32_t first;           // our first page
    uint32_t end;             // one past the last page that has a descriptor, ours or not
    uint32_t clean;           // from this page on memory was never written: it reads as zero
    uint32_t bins[RUNS_BINS]; // free runs
    uint32_t bin_map[(RUNS_BINS + 31) / 32];
} page_runs;

_Static_assert(PAGE_SHIFT <= 16, "memory grows by whole pages of ours");

static inline page_runs *runs_of(const lm_memory *m) {
    return lm_at(m, m->heap_start);
}

static inline page *runs_page(const lm_memory *m, const page_runs *r, uint32_t number) {
    return table_at(m, &r->table, number);
}

static inline page *runs_page_of(const lm_memory *m, const page_runs *r, uint32_t offset) {
    return runs_page(m, r, offset >> PAGE_SHIFT);
}

static uint32_t runs_number(const lm_memory *m, const page_runs *r, const page *p) {
    return table_number(m, &r->table, p);
}

// The number of pages for `size` bytes, at least one; sizes up to 2^32.
static uint32_t runs_pages_for(uint64_t size) {
    return size ? (uint32_t)((size + PAGE_BYTES - 1) >> PAGE_SHIFT) : 1;
}

// ---- Free runs ---------------------------------------------------------------------------------

// The bin of a length, 1 … PAGES_MAX: exact up to 8 pages, then four to a doubling.
static uint32_t runs_bin(uint32_t pages) {
    return class_of(pages << 4);
}

static void runs_insert(const lm_memory *m, page_runs *r, uint32_t first, uint32_t length) {
    page *p = runs_page(m, r, first), *last = runs_page(m, r, first + length - 1);
    uint32_t bin = runs_bin(length);
    *last = (page){.length = length, .kind = PAGE_FREE};
    *p = (page){.next = r->bins[bin], .length = length, .kind = PAGE_FREE};
    if (p->next) runs_page(m, r, p->next)->prev = first;
    r->bins[bin] = first;
    r->bin_map[bin / 32] |= 1u << bin % 32;
}

static void runs_remove(const lm_memory *m, page_runs *r, uint32_t first) {
    const page *p = runs_page(m, r, first);
    uint32_t bin = runs_bin(p->length);
    if (p->next) runs_page(m, r, p->next)->prev = p->prev;
    if (p->prev)
        runs_page(m, r, p->prev)->next = p->next;
    else
        r->bins[bin] = p->next;
    if (!r->bins[bin]) r->bin_map[bin / 32] &= ~(1u << bin % 32);
}

// At check level 1, no page inside a run may look like the first one of a block, or a pointer into
// it would pass: clears the kind of a former first page.
static void runs_forget(const lm_memory *m, const page_runs *r, uint32_t first) {
    if (LM_CHECK_LEVEL >= 1) runs_page(m, r, first)->kind = PAGE_FREE;
}

// Frees pages:  [ free ][ these ][ free ] => [ ------- free ------- ]. O(1).
static void runs_release(const lm_memory *m, page_runs *r, uint32_t first, uint32_t length) {
    uint32_t end = first + length;
    runs_forget(m, r, first);
    if (end < r->end && runs_page(m, r, end)->kind == PAGE_FREE) {
        length += runs_page(m, r, end)->length;
        runs_remove(m, r, end);
    }
    if (first > r->first && runs_page(m, r, first - 1)->kind == PAGE_FREE) {
        uint32_t before = runs_page(m, r, first - 1)->length;
        first -= before;
        length += before;
        runs_remove(m, r, first);
    }
    runs_insert(m, r, first, length);
}

// Removes a free run of at least `pages` from its list and returns it; 0 if none was found. At most
// `tries` runs of the list with shorter ones are tried; any run of the lists above is long enough.
static uint32_t runs_find(const lm_memory *m, page_runs *r, uint32_t pages, uint32_t tries) {
    uint32_t bin = runs_bin(pages);
    for (uint32_t n = r->bins[bin]; n && tries--; n = runs_page(m, r, n)->next)
        if (runs_page(m, r, n)->length >= pages) {
            runs_remove(m, r, n);
            return n;
        }
    for (uint32_t from = bin + 1; from < RUNS_BINS; from = (from / 32 + 1) * 32) {
        uint32_t map = r->bin_map[from / 32] >> from % 32;
        if (!map) continue;
        uint32_t n = r->bins[from + (uint32_t)__builtin_ctz(map)];
        runs_remove(m, r, n);
        return n;
    }
    return 0;
}

// Gives a kind to a run that is in no list. The descriptors between the first and the last are the
// caller's.
static void runs_claim(const lm_memory *m, page_runs *r, uint32_t first, uint32_t length,
                       page_kind kind) {
    page *p = runs_page(m, r, first), *last = runs_page(m, r, first + length - 1);
    *last = (page){.kind = (uint8_t)kind};
    *p = (page){.length = length, .kind = (uint8_t)kind};
    if (r->clean < first + length) r->clean = first + length;
}

// The number of free pages behind a run that ends at `end`.
static uint32_t runs_room_behind(const lm_memory *m, const page_runs *r, uint32_t end) {
    if (end == r->end) return 0;
    const page *next = runs_page(m, r, end);
    return next->kind == PAGE_FREE ? next->length : 0;
}

// ---- The heap's extent --------------------------------------------------------------------------

// The table's run; of length 0 while it is the first table.
static uint32_t runs_table_run(const lm_memory *m, const page_runs *r, uint32_t *length) {
    uint32_t first = table_offset(&r->table) >> PAGE_SHIFT;
    *length = first >= r->first ? runs_page(m, r, first)->length : 0;
    return first;
}

// Moves the table to other pages, or continues it there.
static void runs_move_table(lm_memory *m, page_runs *r, uint32_t to, uint32_t pages) {
    table_extend(m, &r->table, to, pages, r->end);
    runs_claim(m, r, to, pages, PAGE_TABLE);
}

// Adds the new pages start … end − 1; those between r->end and start are not ours. The table gets
// the last `table` of them, if that is not 0.
static void runs_extend(lm_memory *m, page_runs *r, uint32_t start, uint32_t end, uint32_t table) {
    if (table) {
        uint32_t old_length, old = runs_table_run(m, r, &old_length);
        runs_move_table(m, r, end - table, table);
        if (old_length) runs_release(m, r, old, old_length);
    }
    for (uint32_t n = r->end; n < start; n++)
        *runs_page(m, r, n) = (page){.kind = PAGE_NOT_OURS};
    __atomic_store_n(&r->end, end, __ATOMIC_RELAXED); // checks read it without the lock
    if (end - table > start) runs_release(m, r, start, end - table - start);
}

static uint32_t runs_memory_end(const lm_memory *m) {
    return lm_memory_pages(m) * PAGES_A_GROWTH;
}

// Grows the memory until a free run of `pages`, more than there are, is at its end. Returns false,
// with nothing changed, if refused. O(1), except for the table's move: O(1) amortised over the
// pages added. If threads share the memory, another growth may happen between reading its end and
// ours; the table may then be too small for our pages, which are left as not ours.
static bool runs_grow(lm_memory *m, uint32_t pages) {
    const page_runs *r = runs_of(m);
    uint32_t end = runs_memory_end(m), have = 0;
    if (end == r->end && end > r->first) {
        const page *last = runs_page(m, r, end - 1);
        if (last->kind == PAGE_FREE) have = last->length;
    }
    uint32_t needed = pages - have, table = 0; // have < pages, or it would have been found
    if (end + lm_round_up(needed, PAGES_A_GROWTH) > r->table.capacity)
        table = table_pages(m, &r->table, end + needed);
    uint32_t growth = lm_round_up(needed + table, PAGES_A_GROWTH) / PAGES_A_GROWTH;
    uint32_t start = lm_memory_grow(m, growth);
    if (start == LM_GROW_REFUSED) return false;
    if (!TABLE_MOVES && start * PAGES_A_GROWTH != end) return runs_grow(m, pages);
    runs_extend(m, runs_of(m), start * PAGES_A_GROWTH, (start + growth) * PAGES_A_GROWTH, table);
    return true;
}

// Writes a state of `state_bytes`, zero behind its page_runs, the first table up to the next page,
// and one free run. Returns false if the memory could not grow.
static bool runs_start(lm_memory *m, uint32_t state_bytes) {
    uint64_t table = (uint64_t)m->heap_start + state_bytes;
    uint32_t first = runs_pages_for(table + TABLE_DESCRIPTORS_MIN * TABLE_ENTRY_BYTES);
    if (!lm_reach(m, (uint64_t)first << PAGE_SHIFT)) return false;
    uint32_t end = runs_memory_end(m),
             table_bytes = (uint32_t)(((uint64_t)first << PAGE_SHIFT) - table);
    page_runs *r = runs_of(m);
    memset(r, 0, state_bytes + table_bytes);
    r->first = r->end = first;
    table_start(m, &r->table, first - 1, (uint32_t)table, table_bytes);
    r->clean = end; // memory from before start may hold anything
    runs_extend(m, r, first, end, end > r->table.capacity ? table_pages(m, &r->table, end) : 0);
    return true;
}

// Takes a run of `pages` from the free ones, as a large block until the caller makes it something
// else. Returns 0 if none was found.
static uint32_t runs_take_free(lm_memory *m, uint32_t pages, uint32_t tries) {
    page_runs *r = runs_of(m);
    uint32_t n = runs_find(m, r, pages, tries);
    if (!n) return 0;
    uint32_t rest = runs_page(m, r, n)->length - pages;
    if (rest) runs_insert(m, r, n + pages, rest);
    runs_claim(m, r, n, pages, PAGE_LARGE);
    return n;
}

// The same from new memory. Returns 0, with nothing changed, if refused.
static uint32_t runs_take_new(lm_memory *m, uint32_t pages) {
    return runs_grow(m, pages) ? runs_take_free(m, pages, 1) : 0; // the first of its list
}

// The same from free pages, from those that `reclaim` frees, or from new ones. Returns 0 if out of
// memory.
static uint32_t runs_take(lm_memory *m, uint32_t pages, void (*reclaim)(lm_memory *)) {
    if (pages > PAGES_MAX) return 0;
    uint32_t n = runs_take_free(m, pages, RUNS_TRIES);
    if (n) return n;
    reclaim(m);
    n = runs_take_free(m, pages, RUNS_TRIES_LAST);
    return n ? n : runs_take_new(m, pages);
}

// The same, at a page number that is a multiple of `step`, a power of two.
static uint32_t runs_take_aligned(lm_memory *m, uint32_t pages, uint32_t step,
                                  void (*reclaim)(lm_memory *)) {
    if (pages > PAGES_MAX - step) return 0;
    uint32_t n = runs_take(m, pages + step - 1, reclaim);
    if (!n) return 0;
    page_runs *r = runs_of(m);
    uint32_t before = lm_round_up(n, step) - n, after = step - 1 - before;
    if (before) runs_insert(m, r, n, before);
    runs_claim(m, r, n + before, pages, PAGE_LARGE);
    if (after) runs_release(m, r, n + before + pages, after);
    return n + before;
}

// Resizes a large block in place: it gives pages back, or takes those of the free run behind it,
// for which the memory may grow. Returns false, with nothing changed, if there is no room.
static bool runs_resize(lm_memory *m, uint32_t n, uint32_t pages) {
    page_runs *r = runs_of(m);
    uint32_t length = runs_page(m, r, n)->length, end = n + length;
    if (pages > length) {
        uint32_t more = pages - length, room = runs_room_behind(m, r, end);
        if (room < more && end + room == r->end && r->end == runs_memory_end(m)) {
            if (!runs_grow(m, more)) return false;
            r = runs_of(m);
            room = runs_room_behind(m, r, end);
        }
        if (room < more) return false;
        runs_remove(m, r, end);
        if (room > more) runs_insert(m, r, n + pages, room - more);
    }
    runs_claim(m, r, n, pages, PAGE_LARGE);
    if (pages < length) runs_release(m, r, n + pages, length - pages);
    return true;
}

// Moves the table to the front, if that is free, so that it splits no run.
static void runs_table_to_front(lm_memory *m, page_runs *r) {
    uint32_t length, old = runs_table_run(m, r, &length);
    const page *front = runs_page(m, r, r->first);
    if (!length || front->kind != PAGE_FREE || front->length < length) return;
    uint32_t rest = front->length - length;
    runs_remove(m, r, r->first);
    runs_move_table(m, r, r->first, length);
    if (rest) runs_insert(m, r, r->first + length, rest);
    runs_release(m, r, old, length);
}

// Frees all runs but the table. O(runs).
static void runs_reset(lm_memory *m) {
    page_runs *r = runs_of(m);
    memset(r->bins, 0, sizeof r->bins);
    memset(r->bin_map, 0, sizeof r->bin_map);
    for (uint32_t n = r->first, run = n; n <= r->end;) { // `run`: the start of the pages now free
        page_kind kind = n < r->end ? runs_page(m, r, n)->kind : PAGE_NOT_OURS;
        uint32_t length = kind == PAGE_NOT_OURS ? 1 : runs_page(m, r, n)->length;
        if (kind == PAGE_SLAB || kind == PAGE_LARGE) runs_forget(m, r, n);
        if (kind == PAGE_NOT_OURS || kind == PAGE_TABLE) {
            if (n > run) runs_insert(m, r, run, n - run);
            run = n + length;
        }
        n += length;
    }
    if (r->end > r->first) runs_table_to_front(m, r);
}

// ---- The walk ----------------------------------------------------------------------------------

static const char *runs_validate_bins(const lm_memory *m, const page_runs *r, uint32_t free_runs) {
    uint32_t listed = 0;
    for (uint32_t bin = 0; bin < RUNS_BINS; bin++) {
        bool mapped = r->bin_map[bin / 32] >> bin % 32 & 1;
        if (mapped != (r->bins[bin] != 0)) return "bins";
        for (uint32_t n = r->bins[bin], before = 0; n; before = n, n = runs_page(m, r, n)->next) {
            if (n < r->first || n >= r->end || ++listed > free_runs) return "bins";
            const page *p = runs_page(m, r, n);
            if (p->kind != PAGE_FREE || p->prev != before || !p->length ||
                runs_bin(p->length) != bin)
                return "bins";
        }
    }
    return listed == free_runs ? NULL : "bins";
}

// Checks the runs; `validate_used` checks each that is neither free nor the table, and adds it to
// the census.
static const char *runs_validate(const lm_memory *m, lm_census *census,
                                 const char *(*validate_used)(const lm_memory *, const page *,
                                                              lm_census *)) {
    const page_runs *r = runs_of(m);
    uint32_t free_runs = 0, length, table = table_offset(&r->table) >> PAGE_SHIFT;
    bool after_free = false;
    if (r->table.first != r->first - 1 || r->end < r->first || r->end > runs_memory_end(m) ||
        !table_holds(m, &r->table, r->end))
        return "runs";
    for (uint32_t n = r->first; n < r->end; n += length) {
        const page *p = runs_page(m, r, n);
        page_kind kind = p->kind;
        length = kind == PAGE_NOT_OURS ? 1 : p->length;
        if (length == 0 || length > r->end - n) return "runs";
        if (kind == PAGE_FREE) {
            const page *last = runs_page(m, r, n + length - 1);
            if (after_free) return "coalesced";
            if (last->kind != PAGE_FREE || last->length != length) return "runs";
            free_runs++;
            census->free_blocks++;
            census->free_bytes += (uint64_t)length << PAGE_SHIFT;
        } else if (kind != PAGE_NOT_OURS) {
            if (n + length > r->clean) return "clean";
            if (TABLE_MOVES && kind == PAGE_TABLE && n != table) return "table";
            const char *broken = kind == PAGE_TABLE ? NULL : validate_used(m, p, census);
            if (broken) return broken;
        }
        if (kind != PAGE_NOT_OURS) census->heap_bytes += (uint64_t)length << PAGE_SHIFT;
        after_free = kind == PAGE_FREE;
    }
    census->heap_bytes += ((uint64_t)r->first << PAGE_SHIFT) - m->heap_start;
    return runs_validate_bins(m, r, free_runs);
}
