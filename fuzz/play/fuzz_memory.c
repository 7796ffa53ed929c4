#include "fuzz/play/fuzz_memory.h"

#include "fuzz/play/dirty.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

// Without AddressSanitizer these are NULL.
void __asan_poison_memory_region(const volatile void *at, size_t bytes) __attribute__((weak));
void __asan_unpoison_memory_region(const volatile void *at, size_t bytes) __attribute__((weak));

enum {
    // A multiple of what a page table of the third level maps, which mremap moves as one.
    ALIGNMENT_BYTES = FUZZ_MEMORY_ALIGNMENT_BYTES,
    // The places that a memory moves between, in one reservation, so that AddressSanitizer's shadow
    // of them stays: up to 512 MiB for each, as each end that the memory ever had there is poisoned
    // once.
    PLACES = 3,
    CLEARED_PAGES = 8, // which are zeroed rather than given back to the system
};

// A place has room for the maximum and the page after it.
static uint64_t place_bytes(uint32_t pages_max) {
    uint64_t bytes = (uint64_t)pages_max * LM_PAGE_BYTES + LM_PAGE_BYTES;
    return (bytes + ALIGNMENT_BYTES - 1) / ALIGNMENT_BYTES * ALIGNMENT_BYTES;
}

static unsigned char *first_place(const lm_memory *memory) {
    uintptr_t address = (uintptr_t)memory->reservation + ALIGNMENT_BYTES - 1;
    return (unsigned char *)(address - address % ALIGNMENT_BYTES);
}

// The bytes that the memory may be reset to, all accessible.
static uint64_t accessible_bytes(const lm_memory *memory) {
    return (uint64_t)memory->pages_committed * LM_PAGE_BYTES;
}

static void poison(const lm_memory *memory, uint32_t pages) {
    uint64_t end = (uint64_t)pages * LM_PAGE_BYTES;
    if (end < accessible_bytes(memory) && __asan_poison_memory_region)
        __asan_poison_memory_region(memory->base + end, LM_PAGE_BYTES);
}
static void unpoison(const lm_memory *memory) {
    uint64_t end = (uint64_t)memory->pages * LM_PAGE_BYTES;
    if (end < accessible_bytes(memory) && __asan_unpoison_memory_region)
        __asan_unpoison_memory_region(memory->base + end, LM_PAGE_BYTES);
}

// Moves the mapping with its page tables: the old place stays reserved, and faults.
static bool move_mapping(const lm_memory *memory, unsigned char *to) {
    enum { FLAGS = MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP };
    uint64_t bytes = accessible_bytes(memory);
    if (mremap(memory->base, bytes, bytes, FLAGS, to) == MAP_FAILED) return false;
    if (!dirty_is_watched(memory)) mprotect(memory->base, bytes, PROT_NONE);
    return true;
}

// To the next place.
static bool provide(lm_memory *memory, uint32_t pages, bool moves) {
    unsigned char *to = memory->base;
    if (moves) {
        uint64_t apart = place_bytes(memory->pages_committed);
        uint64_t place = (uint64_t)(memory->base - first_place(memory)) / apart;
        to = first_place(memory) + (place + 1) % PLACES * apart;
        if (!dirty_move(memory, to) && !move_mapping(memory, to)) return false;
    }
    unpoison(memory);
    memory->base = to;
    poison(memory, pages);
    return true;
}

// Opens all places for a memory of the maximum.
static bool open_places(const lm_memory *memory, uint32_t pages_max) {
    bool open = true;
    for (uint64_t i = 0; open && i < PLACES; i++)
        open = mprotect(first_place(memory) + i * place_bytes(pages_max),
                        (uint64_t)pages_max * LM_PAGE_BYTES, PROT_READ | PROT_WRITE) == 0;
    return open;
}

static bool valid(const lm_memory_options *options, uint32_t pages_most) {
    bool holds = options->pages_max > 0 && options->pages_max <= pages_most &&
                 options->pages <= options->pages_max &&
                 options->heap_start % LM_BLOCK_ALIGNMENT == 0;
    if (!holds) errno = EINVAL;
    return holds;
}

// Begins the memory at a base where all bytes are zero.
static void begin(lm_memory *memory, unsigned char *base, const lm_memory_options *options) {
    *memory = (lm_memory){
        .heap_start = options->heap_start ? options->heap_start : LM_BLOCK_ALIGNMENT,
        .pages_max = options->pages_max,
        .base = base,
        .pages = options->pages,
        .moving = options->moving,
        .provide = provide,
        .pages_committed = memory->pages_committed,
        .reservation = memory->reservation,
        .reservation_bytes = memory->reservation_bytes,
    };
    poison(memory, memory->pages);
}

bool fuzz_memory_create(lm_memory *memory, const lm_memory_options *options) {
    if (!valid(options, LM_PAGES_MAX)) return false;
    uint64_t bytes = PLACES * place_bytes(options->pages_max) + ALIGNMENT_BYTES;
    void *all = mmap(NULL, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (all == MAP_FAILED) return false;
    *memory = (lm_memory){.reservation = all, .reservation_bytes = bytes};
    memory->pages_committed = options->pages_max;
    madvise(all, bytes, MADV_NOHUGEPAGE);
    if (!open_places(memory, options->pages_max)) {
        int reason = errno;
        munmap(all, bytes);
        errno = reason;
        return false;
    }
    begin(memory, first_place(memory), options);
    return true;
}

void fuzz_memory_destroy(lm_memory *memory) {
    unpoison(memory);
    munmap(memory->reservation, memory->reservation_bytes);
    *memory = (lm_memory){0};
}

static void give_back(unsigned char *base, uint64_t from, uint64_t end) {
    if (from < end) madvise(base + from, end - from, MADV_DONTNEED);
}

// Zeroes some pages from the one before the heap's start on, and gives the rest back.
static void clear(const lm_memory *memory) {
    uint64_t end = (uint64_t)memory->pages * LM_PAGE_BYTES;
    uint64_t from = memory->heap_start / LM_PAGE_BYTES * (uint64_t)LM_PAGE_BYTES;
    from = from > end ? end : from >= LM_PAGE_BYTES ? from - LM_PAGE_BYTES : 0;
    uint64_t to =
        end - from < CLEARED_PAGES * LM_PAGE_BYTES ? end : from + CLEARED_PAGES * LM_PAGE_BYTES;
    memset(memory->base + from, 0, to - from);
    give_back(memory->base, 0, from);
    give_back(memory->base, to, end);
}

bool fuzz_memory_reset(lm_memory *memory, const lm_memory_options *options) {
    if (!valid(options, memory->pages_committed)) return false;
    unpoison(memory);
    if (!dirty_clear(memory)) clear(memory);
    begin(memory, dirty_is_watched(memory) ? first_place(memory) : memory->base, options);
    return true;
}
