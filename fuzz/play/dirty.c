#include "fuzz/play/dirty.h"

#include "alloc/conformance/pattern.h"

#include <string.h>
#include <sys/mman.h>

// The archive is not instrumented; without AddressSanitizer these are NULL.
void __asan_poison_memory_region(const volatile void *at, size_t bytes) __attribute__((weak));
void __asan_unpoison_memory_region(const volatile void *at, size_t bytes) __attribute__((weak));

enum {
    PAGE_BYTES = 4096,
    PAGES = 1 << 20,
    LISTED_MAX = 4096,    // dirty pages to clear one by one, 16 MiB
    KEPT_PAGES = 4096,    // pages at the start that are always cleared one by one
    RESIDENT_MAX = 16384, // pages kept resident, 64 MiB
    CARRIED_MAX = 1024,   // dirty pages to copy in a move, 4 MiB; with more the memory is remapped
    PLACES_MAX = 8,
    CHECKED_EVERY = 1024, // one of so many clears is checked
    CHECKED_BYTES = 4 << 20,
};

#define MEMORY_BYTES ((uint64_t)PAGES * PAGE_BYTES)

typedef struct watch {
    lm_memory *memory;
    uint32_t count, resident, place_count;
    bool has_moved;                    // since the last clear
    unsigned char *places[PLACES_MAX]; // all bases that it has had, if it has moved
    uint64_t is_dirty[PAGES / 64], is_resident[PAGES / 64];
    uint32_t listed[LISTED_MAX];
} watch;

static watch watches[DIRTY_MEMORIES_MAX];
static uint32_t watch_count;
static uintptr_t lowest, beyond; // bounds of all reservations; most other stores are outside
static uintptr_t recent;         // a dirty page or 0; most stores are to the page of the last one

static uint64_t offset_in(const watch *w, const void *at) {
    return (uintptr_t)at - (uintptr_t)w->memory->base;
}

// Returns the watched memory that contains the range, or NULL.
static watch *watch_of(const void *at, uint64_t bytes) {
    for (watch *w = watches; w < watches + watch_count; w++)
        if (offset_in(w, at) < MEMORY_BYTES && bytes <= MEMORY_BYTES - offset_in(w, at)) return w;
    return NULL;
}

static watch *watch_on(const lm_memory *memory) {
    for (watch *w = watches; w < watches + watch_count; w++)
        if (w->memory == memory) return w;
    return NULL;
}

bool dirty_is_watched(const lm_memory *memory) {
    return watch_on(memory);
}

static bool is_marked(const watch *w, uint64_t page) {
    return w->is_dirty[page / 64] >> page % 64 & 1;
}

static void mark_page(watch *w, uint64_t page) {
    uint64_t bit = (uint64_t)1 << page % 64;
    w->is_dirty[page / 64] |= bit;
    w->resident += !(w->is_resident[page / 64] & bit);
    w->is_resident[page / 64] |= bit;
    if (w->count < LISTED_MAX) w->listed[w->count] = (uint32_t)page;
    w->count++;
}

// A store to an old place of a memory is through a pointer kept across a growth.
static void trap_where_one_was(const void *at) {
    for (const watch *w = watches; w < watches + watch_count; w++)
        for (uint32_t i = 0; w->has_moved && i < w->place_count; i++)
            if ((uintptr_t)at - (uintptr_t)w->places[i] < MEMORY_BYTES) __builtin_trap();
}

static void mark(const void *at, uint64_t bytes) {
    watch *w = watch_of(at, 1);
    if (!w) {
        trap_where_one_was(at);
        return;
    }
    uint64_t page = offset_in(w, at) / PAGE_BYTES;
    uint64_t last = (offset_in(w, at) + bytes - 1) / PAGE_BYTES;
    for (; page <= last && page < PAGES; page++) {
        if (!is_marked(w, page)) mark_page(w, page);
        recent = (uintptr_t)w->memory->base + page * PAGE_BYTES;
    }
}

void dirty_mark(const void *at, uint64_t bytes) {
    uintptr_t in_recent = (uintptr_t)at - recent;
    if (in_recent < PAGE_BYTES && bytes <= PAGE_BYTES - in_recent) return;
    if ((uintptr_t)at - lowest >= beyond - lowest || bytes == 0) return;
    mark(at, bytes);
}

// Not memset, which AddressSanitizer intercepts.
static void zero(unsigned char *at, uint64_t bytes) {
#ifdef __x86_64__
    __asm__ volatile("rep stosb" : "+D"(at), "+c"(bytes) : "a"(0) : "memory");
#else
    for (volatile unsigned char *byte = at; bytes > 0; bytes--)
        *byte++ = 0;
#endif
}

// Not memcpy, which AddressSanitizer intercepts.
static void copy(unsigned char *to, const unsigned char *from, uint64_t bytes) {
#ifdef __x86_64__
    __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(bytes) : : "memory");
#else
    for (volatile unsigned char *byte = to; bytes > 0; bytes--)
        *byte++ = *from++;
#endif
}

static void clear_page(watch *w, uint64_t page) {
    zero(w->memory->base + page * PAGE_BYTES, PAGE_BYTES);
    w->is_dirty[page / 64] &= ~((uint64_t)1 << page % 64);
}

// Returns the next dirty page from `page` on, or PAGES.
static uint64_t next_dirty(const watch *w, uint64_t page) {
    uint64_t word = page / 64;
    uint64_t bits = page < PAGES ? w->is_dirty[word] >> page % 64 << page % 64 : 0;
    while (bits == 0 && ++word < PAGES / 64)
        bits = w->is_dirty[word];
    return word < PAGES / 64 ? word * 64 + (uint64_t)__builtin_ctzll(bits) : PAGES;
}

// ---- Moving -------------------------------------------------------------------------------------

static void note_place(watch *w, unsigned char *base) {
    for (uint32_t i = 0; i < w->place_count; i++)
        if (w->places[i] == base) return;
    if (w->place_count < PLACES_MAX) w->places[w->place_count++] = base;
}

static void poison(unsigned char *at, uint64_t bytes) {
    if (__asan_poison_memory_region) __asan_poison_memory_region(at, bytes);
}
static void unpoison(unsigned char *at, uint64_t bytes) {
    if (__asan_unpoison_memory_region) __asan_unpoison_memory_region(at, bytes);
}

// All poisoned pages there are listed, since they were dirty when the memory moved away.
static void unpoison_place(const watch *w, unsigned char *base) {
    for (uint32_t i = 0; i < w->count && i < CARRIED_MAX; i++)
        unpoison(base + (uint64_t)w->listed[i] * PAGE_BYTES, PAGE_BYTES);
}

bool dirty_move(const lm_memory *memory, unsigned char *to) {
    watch *w = watch_on(memory);
    unsigned char *from = memory->base;
    if (!w) return false;
    note_place(w, from);
    note_place(w, to);
    if (w->has_moved) unpoison_place(w, to);
    w->has_moved = true;
    recent = 0;
    if (w->count > CARRIED_MAX) return false;
    for (uint32_t i = 0; i < w->count; i++) {
        uint64_t at = (uint64_t)w->listed[i] * PAGE_BYTES;
        copy(to + at, from + at, PAGE_BYTES);
        zero(from + at, PAGE_BYTES);
        poison(from + at, PAGE_BYTES);
    }
    return true;
}

static void unpoison_left(watch *w) {
    for (uint32_t i = 0; w->has_moved && i < w->place_count; i++)
        if (w->places[i] != w->memory->base) unpoison_place(w, w->places[i]);
    w->has_moved = false;
}

void dirty_watch(lm_memory *memory) {
    watch *w = &watches[watch_count++];
    uintptr_t start = (uintptr_t)memory->reservation, end = start + memory->reservation_bytes;
    w->memory = memory;
    if (watch_count == 1 || start < lowest) lowest = start;
    if (end > beyond) beyond = end;
}

void dirty_watch_none(void) {
    memset(watches, 0, sizeof watches);
    watch_count = 0;
    lowest = beyond = recent = 0;
}

// ---- Clearing -----------------------------------------------------------------------------------

// Gives back what follows the start, at every place that the memory has had.
static bool give_back_behind(const watch *w) {
    const lm_memory *memory = w->memory;
    uint64_t kept = KEPT_PAGES * PAGE_BYTES, end = (uint64_t)memory->pages * LM_PAGE_BYTES;
    uint64_t end_elsewhere = (uint64_t)memory->pages_committed * LM_PAGE_BYTES;
    for (uint32_t i = 0; i < w->place_count && end_elsewhere > kept; i++)
        if (w->places[i] != memory->base)
            madvise(w->places[i] + kept, end_elsewhere - kept, MADV_DONTNEED);
    return end <= kept || madvise(memory->base + kept, end - kept, MADV_DONTNEED) == 0;
}

// Clears the dirty pages of the start and gives back the rest.
static bool give_back(watch *w) {
    for (uint64_t page = 0; (page = next_dirty(w, page)) < KEPT_PAGES;)
        clear_page(w, page);
    memset(w->is_dirty, 0, sizeof w->is_dirty);
    memset(w->is_resident + KEPT_PAGES / 64, 0, sizeof w->is_resident - KEPT_PAGES / 8);
    w->resident = KEPT_PAGES;
    return give_back_behind(w);
}

// Samples clears to detect stores that were not reported.
static void check_clear(const watch *w) {
    static uint32_t turn;
    uint64_t end = (uint64_t)w->memory->pages * LM_PAGE_BYTES;
    if (++turn % CHECKED_EVERY == 0 &&
        !pattern_reads_as_zero(w->memory->base, end < CHECKED_BYTES ? end : CHECKED_BYTES))
        __builtin_trap();
}

bool dirty_clear(const lm_memory *memory) {
    watch *w = watch_on(memory);
    if (!w) return false;
    unpoison_left(w);
    bool listed_all = w->count <= LISTED_MAX && w->resident <= RESIDENT_MAX;
    for (uint32_t i = 0; listed_all && i < w->count; i++)
        clear_page(w, w->listed[i]);
    w->count = 0;
    recent = 0;
    if (!listed_all && !give_back(w)) return false;
    check_clear(w);
    return true;
}

// ---- Ranges -------------------------------------------------------------------------------------

// Splits off the part of a range in its next dirty page. Returns false if there is none.
typedef struct range {
    uint64_t start, end;
} range;

static bool take_dirty(const watch *w, range *left, range *part) {
    uint64_t first = next_dirty(w, left->start / PAGE_BYTES) * PAGE_BYTES;
    if (left->start >= left->end || first >= left->end) return false;
    part->start = first < left->start ? left->start : first;
    part->end = first + PAGE_BYTES < left->end ? first + PAGE_BYTES : left->end;
    left->start = part->end;
    return true;
}

static range range_of(const watch *w, const void *at, uint64_t bytes) {
    return (range){offset_in(w, at), offset_in(w, at) + bytes};
}

bool dirty_zero(void *to, uint64_t bytes) {
    const watch *w = watch_of(to, bytes);
    if (!w) return false;
    range left = range_of(w, to, bytes), part;
    while (take_dirty(w, &left, &part))
        zero(w->memory->base + part.start, part.end - part.start);
    return true;
}

bool dirty_copy(void *to, const void *from, uint64_t bytes) {
    const watch *w = watch_of(from, bytes);
    if (!w || w != watch_of(to, bytes)) return false;
    dirty_zero(to, bytes);
    range left = range_of(w, from, bytes), part;
    uint64_t start = left.start;
    while (take_dirty(w, &left, &part)) {
        unsigned char *into = (unsigned char *)to + (part.start - start);
        dirty_mark(into, part.end - part.start);
        memcpy(into, w->memory->base + part.start, part.end - part.start);
    }
    return true;
}

bool dirty_is_zero(const void *at, uint64_t bytes) {
    if (bytes > DIRTY_ZERO_BYTES_MAX) bytes = DIRTY_ZERO_BYTES_MAX;
    const watch *w = watch_of(at, bytes);
    if (!w) return pattern_reads_as_zero(at, bytes);
    range left = range_of(w, at, bytes), part;
    while (take_dirty(w, &left, &part))
        if (!pattern_reads_as_zero(w->memory->base + part.start, part.end - part.start))
            return false;
    return true;
}
