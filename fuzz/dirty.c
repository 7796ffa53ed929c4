#include "fuzz/dirty.h"

#include "fuzz/pattern.h"

#include <string.h>
#include <sys/mman.h>

// The archive is not instrumented; in programs without AddressSanitizer there is no shadow.
void __asan_poison_memory_region(const volatile void *at, size_t bytes) __attribute__((weak));
void __asan_unpoison_memory_region(const volatile void *at, size_t bytes) __attribute__((weak));

enum {
    PAGE_BYTES = 4096,
    PAGES = 1 << 20,
    LISTED_MAX = 4096,    // pages to clear one by one, 16 MiB
    KEPT_PAGES = 4096,    // of the start, which are always cleared one by one
    RESIDENT_MAX = 16384, // pages that are kept of the system, 64 MiB
    CARRIED_MAX = 1024,   // pages that are sooner copied than mapped elsewhere, 4 MiB
    PLACES_MAX = 8,
};

static lm_memory *watched;
static unsigned char *places[PLACES_MAX]; // where it ever was, if it moved
static uint32_t place_count;
static bool has_moved; // since it was cleared
static uint64_t is_dirty[PAGES / 64], is_resident[PAGES / 64];
static uint32_t listed[LISTED_MAX], count, resident;
static uint64_t recent = PAGES; // a page that is dirty: most stores go where the last one went

static bool is_marked(uint64_t page) {
    return page >= PAGES || is_dirty[page / 64] >> page % 64 & 1;
}

static void mark_page(uint64_t page) {
    uint64_t bit = (uint64_t)1 << page % 64;
    is_dirty[page / 64] |= bit;
    resident += !(is_resident[page / 64] & bit);
    is_resident[page / 64] |= bit;
    if (count < LISTED_MAX) listed[count] = (uint32_t)page;
    count++;
}

// Who still writes where the memory was has kept a pointer across a growth.
static void trap_where_it_was(const void *at) {
    for (uint32_t i = 0; i < place_count; i++)
        if ((uintptr_t)at - (uintptr_t)places[i] < (uint64_t)PAGES * PAGE_BYTES) __builtin_trap();
}

void dirty_mark(const void *at, uint64_t bytes) {
    if (!watched || bytes == 0) return;
    uint64_t offset = (uint64_t)((uintptr_t)at - (uintptr_t)watched->base);
    uint64_t page = offset / PAGE_BYTES, last = (offset + bytes - 1) / PAGE_BYTES;
    if (page == recent && page == last) return;
    if (page >= PAGES && has_moved) trap_where_it_was(at);
    for (; page <= last && page < PAGES; page++) {
        if (!is_marked(page)) mark_page(page);
        recent = page;
    }
}

// Not memset, which AddressSanitizer listens to.
static void zero(unsigned char *at, uint64_t bytes) {
#ifdef __x86_64__
    __asm__ volatile("rep stosb" : "+D"(at), "+c"(bytes) : "a"(0) : "memory");
#else
    for (volatile unsigned char *byte = at; bytes > 0; bytes--)
        *byte++ = 0;
#endif
}

static void clear_page(const lm_memory *memory, uint64_t page) {
    zero(memory->base + page * PAGE_BYTES, PAGE_BYTES);
    is_dirty[page / 64] &= ~((uint64_t)1 << page % 64);
}

// The next dirty page from `page` on, or PAGES.
static uint64_t next_dirty(uint64_t page) {
    uint64_t word = page / 64;
    uint64_t bits = page < PAGES ? is_dirty[word] >> page % 64 << page % 64 : 0;
    while (bits == 0 && ++word < PAGES / 64)
        bits = is_dirty[word];
    return word < PAGES / 64 ? word * 64 + (uint64_t)__builtin_ctzll(bits) : PAGES;
}

// ---- Moving -------------------------------------------------------------------------------------

static void note_place(unsigned char *base) {
    for (uint32_t i = 0; i < place_count; i++)
        if (places[i] == base) return;
    if (place_count < PLACES_MAX) places[place_count++] = base;
}

static void poison(unsigned char *at, uint64_t bytes) {
    if (__asan_poison_memory_region) __asan_poison_memory_region(at, bytes);
}
static void unpoison(unsigned char *at, uint64_t bytes) {
    if (__asan_unpoison_memory_region) __asan_unpoison_memory_region(at, bytes);
}

// All that is poisoned there is listed: it was when the memory left.
static void unpoison_place(unsigned char *base) {
    for (uint32_t i = 0; i < count && i < CARRIED_MAX; i++)
        unpoison(base + (uint64_t)listed[i] * PAGE_BYTES, PAGE_BYTES);
}

static bool carry(unsigned char *to, unsigned char *from) {
    note_place(from);
    note_place(to);
    if (has_moved) unpoison_place(to);
    has_moved = true;
    if (count > CARRIED_MAX) return false;
    for (uint32_t i = 0; i < count; i++) {
        uint64_t at = (uint64_t)listed[i] * PAGE_BYTES;
        memcpy(to + at, from + at, PAGE_BYTES);
        zero(from + at, PAGE_BYTES);
        poison(from + at, PAGE_BYTES);
    }
    return true;
}

static void unpoison_left(const lm_memory *memory) {
    for (uint32_t i = 0; has_moved && i < place_count; i++)
        if (places[i] != memory->base) unpoison_place(places[i]);
    has_moved = false;
}

void dirty_watch(lm_memory *memory) {
    if (watched) watched->carry = NULL;
    watched = memory;
    place_count = 0;
    if (memory) memory->carry = carry;
}

// ---- Clearing -----------------------------------------------------------------------------------

// Gives back what is behind the start, wherever the memory was.
static bool give_back_behind(const lm_memory *memory) {
    uint64_t kept = KEPT_PAGES * PAGE_BYTES, end = (uint64_t)memory->pages * LM_PAGE_BYTES;
    uint64_t end_elsewhere = (uint64_t)memory->pages_committed * LM_PAGE_BYTES;
    for (uint32_t i = 0; i < place_count && end_elsewhere > kept; i++)
        if (places[i] != memory->base)
            madvise(places[i] + kept, end_elsewhere - kept, MADV_DONTNEED);
    return end <= kept || madvise(memory->base + kept, end - kept, MADV_DONTNEED) == 0;
}

// Clears the start page by page, and gives back what is behind.
static bool give_back(const lm_memory *memory) {
    for (uint64_t page = 0; (page = next_dirty(page)) < KEPT_PAGES;)
        clear_page(memory, page);
    memset(is_dirty, 0, sizeof is_dirty);
    memset(is_resident + KEPT_PAGES / 64, 0, sizeof is_resident - KEPT_PAGES / 8);
    resident = KEPT_PAGES;
    return give_back_behind(memory);
}

bool dirty_clear(const lm_memory *memory) {
    if (memory != watched) return false;
    unpoison_left(memory);
    bool listed_all = count <= LISTED_MAX && resident <= RESIDENT_MAX;
    for (uint32_t i = 0; listed_all && i < count; i++)
        clear_page(memory, listed[i]);
    count = 0;
    recent = PAGES;
    return listed_all || give_back(memory);
}

static bool is_watched(const void *at, uint64_t bytes) {
    uint64_t offset = (uint64_t)((uintptr_t)at - (uintptr_t)watched->base);
    uint64_t end = (uint64_t)PAGES * PAGE_BYTES;
    return offset < end && bytes <= end - offset;
}

// Zeroes what is written in a range; with `from`, which takes its place, copies what is written
// there instead.
static void each_dirty(unsigned char *to, const unsigned char *from, uint64_t bytes) {
    const unsigned char *read = from ? from : to;
    uint64_t start = (uint64_t)(read - watched->base), end = start + bytes;
    for (uint64_t page = next_dirty(start / PAGE_BYTES); page * PAGE_BYTES < end;
         page = next_dirty(page + 1)) {
        uint64_t first = page * PAGE_BYTES, last = first + PAGE_BYTES;
        if (first < start) first = start;
        if (last > end) last = end;
        unsigned char *into = to + (first - start);
        if (!from) {
            zero(into, last - first);
        } else {
            dirty_mark(into, last - first);
            memcpy(into, from + (first - start), last - first);
        }
    }
}

bool dirty_zero(void *to, uint64_t bytes) {
    if (!watched || !is_watched(to, bytes)) return false;
    each_dirty(to, NULL, bytes);
    return true;
}

bool dirty_copy(void *to, const void *from, uint64_t bytes) {
    if (!watched || !is_watched(from, bytes) || !dirty_zero(to, bytes)) return false;
    each_dirty(to, from, bytes);
    return true;
}

bool dirty_is_zero(const void *at, uint64_t bytes) {
    if (bytes > DIRTY_ZERO_BYTES_MAX) bytes = DIRTY_ZERO_BYTES_MAX;
    if (!watched || !is_watched(at, bytes)) return pattern_reads_as_zero(at, bytes);
    uint64_t start = (uint64_t)((uintptr_t)at - (uintptr_t)watched->base), end = start + bytes;
    for (uint64_t page = next_dirty(start / PAGE_BYTES); page * PAGE_BYTES < end;
         page = next_dirty(page + 1)) {
        uint64_t first = page * PAGE_BYTES, last = first + PAGE_BYTES;
        if (first < start) first = start;
        if (last > end) last = end;
        if (!pattern_reads_as_zero(watched->base + first, last - first)) return false;
    }
    return true;
}
