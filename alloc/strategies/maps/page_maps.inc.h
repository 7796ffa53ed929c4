// Page maps: two bits for each granule of 16 bytes, in a table within the memory that it maps. They
// are what buddy and bitmap know of their blocks.
//
// Layout: positions are granules from offset 0, at most 2^28. The table maps the pages of 64 KiB
// from the one that the heap starts in; for each it has 64 words of two times 64 bits and a note.
// The first table is at the front, behind the heap's state. When the memory outgrows it, it moves
// into pages of its own, with room for twice as many, and its former place becomes free:
//
//     heap_start    front
//     [ heap ][ words | notes ] free and in use ........................... | not yet ours
//     [ heap ] free and in use ........ [ words | notes ] ................. | not yet ours
//                                       table
//
// The new table is before the other new pages, or behind them if these are to join a free end.
// Reset moves it back to the front unless a foreign page is in the way. Foreign pages and those of
// the table are *closed*: the maps say that a block in use begins there, the note, that none does.
//
// Laws (maps_law):
//     table    it lies in the memory, in closed pages or at the front, and maps all of ours
#pragma once

#include "alloc/strategies/strategy.h"

// Parameters. The strategy's heap begins with a page_maps, and it defines open_range. Optional:
//     MAPS_HINTS        a byte for each page and one for each word follow the notes, in this order
//     MAPS_PAGES_MIN    the first table has room for so many pages, each of which takes 1 KiB of
//                       it: it moves rarely while the heap is small
#ifndef MAPS_PAGES_MIN
#define MAPS_PAGES_MIN LM_GEOMETRY(8, 2)
#endif

enum {
    GRANULE_SHIFT = 4,
    PAGE_GRANULES = LM_PAGE_BYTES >> GRANULE_SHIFT,
    WORD_GRANULES = 64,
    PAGE_WORDS = PAGE_GRANULES / WORD_GRANULES,
    PAGE_ORDER = LM_PAGE_LOG2 - GRANULE_SHIFT, // log2 of PAGE_GRANULES
};

typedef enum page_note_bits { // the others are the strategy's
    PAGE_FOREIGN = 1 << 30,
    PAGE_TABLE = 1 << 29,
    PAGE_CLOSED = PAGE_FOREIGN | PAGE_TABLE,
} page_note_bits;

typedef struct map_word {
    uint64_t begins; // a block, here
    uint64_t free;
} map_word;

typedef uint32_t page_note;

#ifdef MAPS_HINTS
enum { PAGE_HINTS_BYTES = 1 + PAGE_WORDS };
#else
enum { PAGE_HINTS_BYTES = 0 };
#endif

enum { PAGE_MAP_BYTES = PAGE_WORDS * sizeof(map_word) + sizeof(page_note) + PAGE_HINTS_BYTES };

typedef struct page_maps {
    uint32_t table;    // its offset
    uint32_t first;    // the first page
    uint32_t end;      // one past the last page, ours or foreign, at our last growth
    uint32_t capacity; // how many pages the table has room for
    uint32_t clean;    // from this granule on only free blocks' links have been written
} page_maps;

// The strategy's: frees granules of our pages, at least one, whose bits are all 0.
static void open_range(lm_memory *m, uint32_t from, uint32_t to);

static inline page_maps *maps_of(const lm_memory *m) {
    return lm_at(m, m->heap_start);
}
static inline map_word *maps_word(const lm_memory *m, uint32_t granule) {
    const page_maps *maps = maps_of(m);
    uint32_t word = granule / WORD_GRANULES - maps->first * PAGE_WORDS;
    return (map_word *)lm_at(m, maps->table) + word;
}
static inline page_note *maps_note(const lm_memory *m, uint32_t page) {
    const page_maps *maps = maps_of(m);
    map_word *words = lm_at(m, maps->table);
    return (page_note *)(words + maps->capacity * PAGE_WORDS) + (page - maps->first);
}
// The first page's (level 0) or the first word's (level 1).
static inline uint8_t *maps_hints(const lm_memory *m, uint32_t level) {
    const page_maps *maps = maps_of(m);
    return (uint8_t *)(maps_note(m, maps->first) + maps->capacity) + level * maps->capacity;
}
static inline bool maps_begins(const lm_memory *m, uint32_t granule) {
    return maps_word(m, granule)->begins >> granule % WORD_GRANULES & 1;
}
static inline bool maps_is_free(const lm_memory *m, uint32_t granule) {
    return maps_word(m, granule)->free >> granule % WORD_GRANULES & 1;
}
static inline uint64_t maps_bit(uint32_t granule) {
    return (uint64_t)1 << granule % WORD_GRANULES;
}
static inline uint32_t maps_granules_for(uint64_t bytes) {
    return (uint32_t)((bytes + LM_BLOCK_ALIGNMENT - 1) >> GRANULE_SHIFT);
}
static inline uint32_t maps_pages_for(uint32_t granules) {
    return (granules + PAGE_GRANULES - 1) / PAGE_GRANULES;
}
static inline uint32_t maps_table_granules(const page_maps *maps) {
    return maps_granules_for((uint64_t)maps->capacity * PAGE_MAP_BYTES);
}
static inline uint32_t maps_end(const lm_memory *m) {
    return maps_of(m)->end * PAGE_GRANULES;
}
static inline uint32_t maps_front(const lm_memory *m, uint32_t heap_bytes) {
    return maps_granules_for((uint64_t)m->heap_start + heap_bytes);
}

static void maps_close(const lm_memory *m, uint32_t from, uint32_t to, page_note_bits note) {
    for (uint32_t page = from; page < to; page++) {
        *maps_word(m, page * PAGE_GRANULES) = (map_word){.begins = 1};
        *maps_note(m, page) = note;
    }
}

// Frees the place of a former table: whole pages, except at the front.
static void maps_open_table(lm_memory *m, uint32_t table, uint32_t granules) {
    uint32_t from = table >> GRANULE_SHIFT, to = from + granules, page = from / PAGE_GRANULES;
    if (*maps_note(m, page) & PAGE_TABLE) to = lm_round_up(to, PAGE_GRANULES);
    for (; *maps_note(m, page) & PAGE_TABLE && page * PAGE_GRANULES < to; page++) {
        *maps_word(m, page * PAGE_GRANULES) = (map_word){0};
        *maps_note(m, page) = 0;
    }
    if (maps_of(m)->clean < to) maps_of(m)->clean = to;
    open_range(m, from, to);
}

// Moves the table to new pages, which are zero, with room for `capacity` pages.
static void maps_move_table(lm_memory *m, uint32_t page, uint32_t capacity) {
    page_maps *maps = maps_of(m);
    page_maps old = *maps;
    uint32_t pages = old.end - old.first;
    const void *words = maps_word(m, old.first * PAGE_GRANULES), *notes = maps_note(m, old.first);
    const void *of_pages = maps_hints(m, 0), *of_words = maps_hints(m, 1);
    maps->table = page * LM_PAGE_BYTES;
    maps->capacity = capacity;
    memcpy(maps_word(m, old.first * PAGE_GRANULES), words,
           (size_t)pages * PAGE_WORDS * sizeof(map_word));
    memcpy(maps_note(m, old.first), notes, pages * sizeof(page_note));
    if (PAGE_HINTS_BYTES) {
        memcpy(maps_hints(m, 0), of_pages, pages);
        memcpy(maps_hints(m, 1), of_words, (size_t)pages * PAGE_WORDS);
    }
    uint32_t end = page + maps_pages_for(maps_table_granules(maps));
    maps_close(m, page, end, PAGE_TABLE);
    maps_open_table(m, old.table, maps_table_granules(&old));
}

// Room for twice as many pages, or for all that there can be if that is not much more.
static uint32_t maps_capacity_for(const lm_memory *m, uint32_t pages) {
    uint32_t most = m->pages_max - maps_of(m)->first;
    return pages < most / 8 * 3 ? 2 * pages + 2 : most;
}

// Grows the memory until it has `granules` at a multiple of `step`, a power of two, from `tail` on,
// where our free end begins, or behind the end. Returns their position; 0, with nothing changed, if
// refused. O(pages added), and the table's move, O(1) amortised over them.
static uint32_t maps_grow(lm_memory *m, uint32_t tail, uint32_t granules, uint32_t step) {
    const page_maps *old = maps_of(m);
    uint32_t start = lm_memory_pages(m), ours = old->end, first = old->first, table = 0;
    uint32_t behind = start * PAGE_GRANULES, capacity = old->capacity;
    bool joins = start == ours && tail < behind;
    uint32_t place = lm_round_up(joins ? tail : behind, step),
             end = maps_pages_for(place + granules);
    if (end < start) end = start; // the free end has such a place, and nothing is to grow
    if (end - first > capacity) {
        capacity = maps_capacity_for(m, end - first + step / PAGE_GRANULES);
        table = maps_pages_for(maps_granules_for((uint64_t)capacity * PAGE_MAP_BYTES));
        if (!joins) place = lm_round_up(behind + table * PAGE_GRANULES, step);
        end = joins ? end + table : maps_pages_for(place + granules);
        if (end - first > capacity) return 0; // more than the memory can have
    }
    if (end > LM_PAGES_MAX || lm_memory_grow(m, end - start) == LM_GROW_REFUSED) return 0;
    if (table) maps_move_table(m, joins ? end - table : start, capacity);
    maps_of(m)->end = end;
    maps_close(m, ours, start, PAGE_FOREIGN);
    if (table && joins)
        end -= table;
    else
        start += table;
    if (start < end) open_range(m, start * PAGE_GRANULES, end * PAGE_GRANULES); // none was missing
    return place;
}

// Writes the state, `heap_bytes` of zero, and the table, and frees the rest. Returns false if the
// memory could not grow.
static bool maps_start(lm_memory *m, uint32_t heap_bytes) {
    uint32_t first = m->heap_start / LM_PAGE_BYTES, front = maps_front(m, heap_bytes);
    uint32_t pages = lm_memory_pages(m), capacity = maps_pages_for(front);
    if (capacity < pages) capacity = pages;
    capacity += (capacity < LM_PAGES_MAX) - first; // one more, for the table
    if (capacity < MAPS_PAGES_MIN) capacity = MAPS_PAGES_MIN;
    if (capacity > LM_PAGES_MAX - first) capacity = LM_PAGES_MAX - first;
    page_maps maps = {front << GRANULE_SHIFT, first, 0, capacity, 0};
    uint32_t opened = front + maps_table_granules(&maps);
    if (!lm_reach(m, (uint64_t)opened << GRANULE_SHIFT)) return false;
    memset(lm_at(m, m->heap_start), 0, ((size_t)opened << GRANULE_SHIFT) - m->heap_start);
    maps.end = lm_memory_pages(m);
    maps.clean = maps.end * PAGE_GRANULES; // memory from before start may hold anything
    *maps_of(m) = maps;
    if (opened < maps.clean) open_range(m, opened, maps.clean);
    return true;
}

// The table's offset after a reset: at the front if possible, else unchanged.
static uint32_t maps_table_place(const lm_memory *m, uint32_t front) {
    const page_maps *maps = maps_of(m);
    uint32_t end = front + maps_table_granules(maps);
    for (uint32_t page = front / PAGE_GRANULES; page * PAGE_GRANULES < end; page++)
        if (page >= maps->end || (*maps_note(m, page) & PAGE_FOREIGN)) return maps->table;
    return front << GRANULE_SHIFT;
}

// Frees all that is not closed from a granule on.
static void maps_open_all(lm_memory *m, uint32_t from) {
    const page_maps *maps = maps_of(m);
    for (uint32_t page = from / PAGE_GRANULES; page < maps->end; page++) {
        page_note note = *maps_note(m, page);
        if (!(note & PAGE_CLOSED)) continue;
        maps_close(m, page, page + 1, note);
        if (from < page * PAGE_GRANULES) open_range(m, from, page * PAGE_GRANULES);
        from = (page + 1) * PAGE_GRANULES;
    }
    if (from < maps_end(m)) open_range(m, from, maps_end(m));
}

// All but the state, the table and foreign pages is free again. O(table).
static void maps_reset(lm_memory *m, uint32_t heap_bytes) {
    page_maps *maps = maps_of(m);
    uint32_t front = maps_front(m, heap_bytes);
    const page_note *old = maps_note(m, maps->first);
    uint32_t written = (maps->table >> GRANULE_SHIFT) + maps_table_granules(maps);
    if (maps->clean < written) maps->clean = written;
    maps->table = maps_table_place(m, front);
    page_note *notes = maps_note(m, maps->first);
    for (uint32_t i = 0; i < maps->capacity; i++) // upwards, as they may overlap
        notes[i] = old[i] & PAGE_FOREIGN;
    memset(maps_word(m, maps->first * PAGE_GRANULES), 0,
           (size_t)maps->capacity * PAGE_WORDS * sizeof(map_word));
    memset(maps_hints(m, 0), 0, (size_t)maps->capacity * PAGE_HINTS_BYTES);
    uint32_t table = maps->table >> GRANULE_SHIFT, end = table + maps_table_granules(maps);
    if (table != front) maps_close(m, table / PAGE_GRANULES, maps_pages_for(end), PAGE_TABLE);
    maps_open_all(m, table == front ? end : front);
}

// The bytes of a heap with these bytes of blocks and gaps: whole pages, with the table, which may
// have room for twice the pages. There are two more foreign ranges, the front and the table.
static inline uint64_t maps_heap_bytes(const lm_demand *demand, uint64_t bytes,
                                       uint64_t heap_bytes) {
    uint64_t first_table = (uint64_t)(MAPS_PAGES_MIN + 4) * PAGE_MAP_BYTES;
    _Static_assert(PAGE_MAP_BYTES * 2 * 17 <= LM_PAGE_BYTES, "a table takes less than a 16th");
    uint64_t table = (bytes + demand->foreign_bytes) / 16;
    return lm_heap_bytes(bytes + table, heap_bytes + first_table + 2 * LM_PAGE_BYTES);
}

// Returns the position of a live block. Level 1 checks its bits.
static inline uint32_t maps_live(const lm_memory *m, const void *address) {
    uint32_t granule = lm_offset(m, address) >> GRANULE_SHIFT;
    LM_CHECK(lm_holds(m, address) && lm_offset(m, address) % LM_BLOCK_ALIGNMENT == 0);
    LM_CHECK(granule / PAGE_GRANULES >= maps_of(m)->first && granule < maps_end(m));
    LM_CHECK(maps_begins(m, granule) && !maps_is_free(m, granule));
    LM_CHECK(!(*maps_note(m, granule / PAGE_GRANULES) & PAGE_CLOSED));
    return granule;
}

// Notes that the granules from … to - 1 are in use. Returns how many of their first bytes may not
// be zero.
static inline size_t maps_mark_dirty(const lm_memory *m, uint32_t from, uint32_t to) {
    page_maps *maps = maps_of(m);
    uint32_t clean = maps->clean;
    if (clean < to) maps->clean = to;
    return clean > from ? (size_t)(clean - from) << GRANULE_SHIFT : 0;
}

// Defines the three ways to allocate by prefix##_allocate_at.
#define MAPS_ALLOCATES(prefix)                                                                     \
    static void *prefix##_allocate_aligned(size_t alignment, size_t size, lm_memory *m) {          \
        size_t dirty;                                                                              \
        return prefix##_allocate_at(alignment, size, &dirty, m);                                   \
    }                                                                                              \
    static void *prefix##_allocate(size_t size, lm_memory *m) {                                    \
        return prefix##_allocate_aligned(LM_BLOCK_ALIGNMENT, size, m);                             \
    }                                                                                              \
    static inline void *prefix##_allocate_dirty(size_t size, size_t *dirty, lm_memory *m) {        \
        return prefix##_allocate_at(LM_BLOCK_ALIGNMENT, size, dirty, m);                           \
    }

// Sets *from to the first granule behind the state and a table at the front.
static const char *maps_law(const lm_memory *m, uint32_t heap_bytes, uint32_t *from,
                            lm_census *census) {
    const page_maps *maps = maps_of(m);
    uint32_t front = maps_front(m, heap_bytes), table = maps->table >> GRANULE_SHIFT;
    if (maps->first != m->heap_start / LM_PAGE_BYTES || maps->end > lm_memory_pages(m) ||
        maps->end - maps->first > maps->capacity || maps->capacity > LM_PAGES_MAX - maps->first)
        return "table";
    if (maps->table % LM_BLOCK_ALIGNMENT || table < front ||
        table + maps_table_granules(maps) > maps_end(m))
        return "table";
    *from = table == front ? front + maps_table_granules(maps) : front;
    uint32_t pages = 0;
    for (uint32_t page = maps->first; page < maps->end; page++) {
        page_note note = *maps_note(m, page);
        pages += !!(note & PAGE_TABLE);
        census->heap_bytes += note & PAGE_FOREIGN ? 0 : LM_PAGE_BYTES;
        if ((note & PAGE_CLOSED) && !maps_begins(m, page * PAGE_GRANULES)) return "table";
    }
    census->heap_bytes -= m->heap_start % LM_PAGE_BYTES;
    return pages == (table == front ? 0 : maps_pages_for(maps_table_granules(maps))) ? NULL
                                                                                     : "table";
}
