#include "alloc/linear_memory.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

enum { COPY_BYTES = 4096 };

// A reservation holds the memory at its maximum, what aligning the base to a page of ours may skip,
// and a guard of one page behind it.
static uint64_t reservation_bytes(uint32_t pages_max) {
    return ((uint64_t)pages_max + 2) * LM_PAGE_BYTES;
}

// Reserves address space, below `above` where that is free: successive moves then go down and don't
// come back to an address that somebody may have kept.
static void *reserve(uint64_t bytes, const void *above) {
    void *wish = (uintptr_t)above > bytes ? (void *)((uintptr_t)above - bytes) : NULL;
    void *got = mmap(wish, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return got == MAP_FAILED ? NULL : got;
}

static unsigned char *first_page(void *reservation) {
    uintptr_t address = (uintptr_t)reservation;
    return (unsigned char *)((address + LM_PAGE_BYTES - 1) & ~(uintptr_t)(LM_PAGE_BYTES - 1));
}

static bool commit(unsigned char *base, uint32_t from_page, uint32_t pages) {
    return pages == 0 || mprotect(base + (uint64_t)from_page * LM_PAGE_BYTES,
                                  (uint64_t)pages * LM_PAGE_BYTES, PROT_READ | PROT_WRITE) == 0;
}

// Views grow at once, without a lock: a page is first made accessible and then counted, and who
// comes second with the count begins again behind it. To make a page accessible twice is harmless.
static uint32_t grow_shared(lm_memory *whole, uint32_t pages) {
    uint32_t before = __atomic_load_n(&whole->pages, __ATOMIC_ACQUIRE);
    do {
        if (pages > whole->pages_max - before || !commit(whole->base, before, pages))
            return LM_GROW_REFUSED;
    } while (!__atomic_compare_exchange_n(&whole->pages, &before, before + pages, false,
                                          __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE));
    return before;
}

bool lm_memory_share(lm_memory *memory, lm_memory *view, uint32_t thread) {
    if (thread >= LM_THREADS_MAX || memory->moving) {
        errno = EINVAL;
        return false;
    }
    *view = (lm_memory){
        .heap_start = memory->heap_start,
        .pages_max = memory->pages_max,
        .thread = thread,
        .base = memory->base,
        .whole = memory->whole ? memory->whole : memory,
    };
    return true;
}

bool lm_memory_create(lm_memory *memory, const lm_memory_options *options) {
    uint32_t heap_start = options->heap_start ? options->heap_start : LM_BLOCK_ALIGNMENT;
    if (options->pages_max == 0 || options->pages_max > LM_PAGES_MAX ||
        options->pages > options->pages_max || heap_start % LM_BLOCK_ALIGNMENT != 0) {
        errno = EINVAL;
        return false;
    }
    uint64_t bytes = reservation_bytes(options->pages_max);
    void *reservation = reserve(bytes, NULL);
    if (!reservation) return false;
    unsigned char *base = first_page(reservation);
    if (!commit(base, 0, options->pages)) {
        int reason = errno;
        munmap(reservation, bytes);
        errno = reason;
        return false;
    }
    *memory = (lm_memory){
        .heap_start = heap_start,
        .pages_max = options->pages_max,
        .base = base,
        .pages = options->pages,
        .moving = options->moving,
        .commit = options->commit,
        .pages_committed = options->pages,
        .reservation = reservation,
        .reservation_bytes = bytes,
    };
    return true;
}

void lm_memory_destroy(lm_memory *memory) {
    munmap(memory->reservation, memory->reservation_bytes);
    *memory = (lm_memory){0};
}

// Copies what is not zero, so that pages that nobody has touched stay unbacked.
static void copy_touched(unsigned char *to, const unsigned char *from, uint64_t bytes) {
    for (uint64_t at = 0; at < bytes; at += COPY_BYTES) {
        const unsigned char *page = from + at;
        if (page[0] != 0 || memcmp(page, page + 1, COPY_BYTES - 1) != 0)
            memcpy(to + at, page, COPY_BYTES);
    }
}

// Moves the content to a new reservation with `pages` pages. The old one is unmapped: it faults.
static bool move(lm_memory *memory, uint32_t pages) {
    void *reservation = reserve(memory->reservation_bytes, memory->reservation);
    if (!reservation) return false;
    unsigned char *base = first_page(reservation);
    if (!commit(base, 0, pages)) {
        munmap(reservation, memory->reservation_bytes);
        return false;
    }
    copy_touched(base, memory->base, (uint64_t)memory->pages * LM_PAGE_BYTES);
    munmap(memory->reservation, memory->reservation_bytes);
    memory->reservation = reservation;
    memory->base = base;
    memory->pages = pages;
    return true;
}

bool lm_memory_move(lm_memory *memory) {
    return move(memory, memory->pages);
}

bool lm_memory_grow_foreign(lm_memory *memory, uint32_t pages) {
    if (pages > memory->pages_max - memory->pages) return false;
    if (pages == 0) return true;
    if (memory->moving) return move(memory, memory->pages + pages);
    if (!commit(memory->base, memory->pages, pages)) return false;
    memory->pages += pages;
    return true;
}

uint32_t lm_memory_grow_native(lm_memory *memory, uint32_t pages) {
    if (memory->refusals > 0) {
        if (memory->refusals != LM_REFUSE_ALL) memory->refusals--;
        return LM_GROW_REFUSED;
    }
    if (memory->whole) return grow_shared(memory->whole, pages);
    uint32_t before = memory->pages;
    return lm_memory_grow_foreign(memory, pages) ? before : LM_GROW_REFUSED;
}

void lm_memory_refuse(lm_memory *memory, uint32_t count) {
    memory->refusals = count;
}
