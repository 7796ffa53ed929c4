#include "alloc/linear_memory.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#ifndef MADV_POPULATE_WRITE // Linux 5.14; musl and older C libraries do not define it
#define MADV_POPULATE_WRITE 23
#endif

enum {
    SYSTEM_PAGE_BYTES = 4096,
    STEP_BYTES = LM_COMMIT_STEP_BYTES,
    STEP_PAGES = STEP_BYTES / LM_PAGE_BYTES,
};

// Of the base: a huge page begins at a multiple of its size.
static uint64_t alignment_bytes(lm_memory_commit commit) {
    return commit == LM_COMMIT_HUGE ? STEP_BYTES : LM_PAGE_BYTES;
}

// A reservation has the memory at its maximum, the bytes that aligning the base may skip, and a
// guard page.
static uint64_t reservation_bytes(const lm_memory *memory) {
    return (uint64_t)memory->pages_max * LM_PAGE_BYTES + alignment_bytes(memory->commit) +
           LM_PAGE_BYTES;
}

// Reserves address space, below `above` if that is free: successive moves go down then, and do not
// return to an address that a strategy may have kept.
static void *reserve(uint64_t bytes, const void *above) {
    void *wish = (uintptr_t)above > bytes ? (void *)((uintptr_t)above - bytes) : NULL;
    void *got = mmap(wish, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return got == MAP_FAILED ? NULL : got;
}

static unsigned char *first_page(void *reservation, uint64_t alignment) {
    uintptr_t address = (uintptr_t)reservation;
    return (unsigned char *)((address + alignment - 1) & ~(uintptr_t)(alignment - 1));
}

static bool commit(unsigned char *base, uint32_t from_page, uint32_t pages) {
    return pages == 0 || mprotect(base + (uint64_t)from_page * LM_PAGE_BYTES,
                                  (uint64_t)pages * LM_PAGE_BYTES, PROT_READ | PROT_WRITE) == 0;
}

// Makes a range present. Returns false if the system has no memory. Linux before 5.14 has no call
// for it; each page is then written to, by replacing a zero by a zero, which does not disturb other
// threads and is not optimized away.
static bool populate(unsigned char *from, uint64_t bytes) {
    if (madvise(from, bytes, MADV_POPULATE_WRITE) == 0) return true;
    if (errno != EINVAL) return false;
    for (uint64_t at = 0; at < bytes; at += SYSTEM_PAGE_BYTES) {
        unsigned char zero = 0;
        __atomic_compare_exchange_n(from + at, &zero, 0, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
    }
    return true;
}

// Commits the pages from `before` to `end`; with 2M and HUGE in whole steps, up to the maximum.
//
// A step becomes accessible as a whole, also beyond the size. HUGE requires it: the system backs a
// range with a huge page only if all of it is accessible. With 2M it saves the system calls of the
// other 31 growths. Access is only ever added, so threads that grow at the same time need no lock.
// Only with 4K do accesses right after the size fault.
static bool commit_until(lm_memory *memory, uint32_t before, uint32_t end) {
    if (memory->commit == LM_COMMIT_4K) return commit(memory->base, before, end - before);
    uint32_t from = __atomic_load_n(&memory->pages_committed, __ATOMIC_ACQUIRE);
    if (end <= from) return true;
    uint32_t room = memory->pages_max - from, wanted = end - from;
    uint32_t rounded = (wanted + STEP_PAGES - 1) / STEP_PAGES * STEP_PAGES; // `from` is a multiple
    uint32_t pages = rounded < room ? rounded : room;
    if (!commit(memory->base, from, pages)) return false;
    if (memory->commit == LM_COMMIT_2M &&
        !populate(memory->base + (uint64_t)from * LM_PAGE_BYTES, (uint64_t)pages * LM_PAGE_BYTES))
        return false;
    for (uint32_t until = from + pages; from < until;)
        if (__atomic_compare_exchange_n(&memory->pages_committed, &from, until, false,
                                        __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
            break;
    return true;
}

// Reserves the memory's address space, below `above` if that is free, and commits `pages` of it.
// Returns false, with errno set and nothing reserved, on failure.
static bool occupy(lm_memory *memory, uint32_t pages, const void *above) {
    memory->reservation_bytes = reservation_bytes(memory);
    memory->reservation = reserve(memory->reservation_bytes, above);
    if (!memory->reservation) return false;
    memory->base = first_page(memory->reservation, alignment_bytes(memory->commit));
    memory->pages = pages;
    memory->pages_committed = 0;
    if (memory->commit == LM_COMMIT_HUGE) // fails if the system has none: then as 4K
        madvise(memory->reservation, memory->reservation_bytes, MADV_HUGEPAGE);
    if (commit_until(memory, 0, pages)) return true;
    int reason = errno;
    munmap(memory->reservation, memory->reservation_bytes);
    errno = reason;
    return false;
}

// Views may grow at the same time, without a lock: a page is first made accessible, then counted. A
// thread whose count fails tries again after the other's pages. Making a page accessible twice is
// harmless.
static uint32_t grow_shared(lm_memory *whole, uint32_t pages) {
    uint32_t before = __atomic_load_n(&whole->pages, __ATOMIC_ACQUIRE);
    do {
        if (pages > whole->pages_max - before || !commit_until(whole, before, before + pages))
            return LM_GROW_REFUSED;
    } while (!__atomic_compare_exchange_n(&whole->pages, &before, before + pages, false,
                                          __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE));
    return before;
}

bool lm_memory_share(lm_memory *memory, lm_memory *view, uint32_t thread) {
    if (thread >= LM_THREADS_MAX || memory->moving || memory->provide) {
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
    *memory = (lm_memory){
        .heap_start = heap_start,
        .pages_max = options->pages_max,
        .moving = options->moving,
        .commit = options->commit,
    };
    bool valid = options->pages_max > 0 && options->pages_max <= LM_PAGES_MAX &&
                 options->pages <= options->pages_max && heap_start % LM_BLOCK_ALIGNMENT == 0 &&
                 options->commit <= LM_COMMIT_HUGE;
    if (!valid) errno = EINVAL;
    return valid && occupy(memory, options->pages, NULL);
}

void lm_memory_destroy(lm_memory *memory) {
    munmap(memory->reservation, memory->reservation_bytes);
    *memory = (lm_memory){0};
}

// Copies the pages that are not zero, so that untouched pages stay unbacked.
static void copy_touched(unsigned char *to, const unsigned char *from, uint64_t bytes) {
    for (uint64_t at = 0; at < bytes; at += SYSTEM_PAGE_BYTES) {
        const unsigned char *page = from + at;
        if (page[0] != 0 || memcmp(page, page + 1, SYSTEM_PAGE_BYTES - 1) != 0)
            memcpy(to + at, page, SYSTEM_PAGE_BYTES);
    }
}

static bool provided(lm_memory *memory, uint32_t pages, bool moves) {
    const unsigned char *before = memory->base;
    if (!memory->provide(memory, pages, moves)) return false;
    memory->pages = pages;
    memory->moves += memory->base != before;
    return true;
}

// Moves the content to a new reservation with `pages` pages. The old one is unmapped: accesses
// fault.
static bool move(lm_memory *memory, uint32_t pages) {
    if (memory->provide) return provided(memory, pages, true);
    lm_memory moved = *memory;
    if (!occupy(&moved, pages, memory->reservation)) return false;
    copy_touched(moved.base, memory->base, (uint64_t)memory->pages * LM_PAGE_BYTES);
    moved.moves++;
    munmap(memory->reservation, memory->reservation_bytes);
    *memory = moved;
    return true;
}

bool lm_memory_move(lm_memory *memory) {
    return move(memory, memory->pages);
}

bool lm_memory_grow_foreign(lm_memory *memory, uint32_t pages) {
    if (memory->whole) return grow_shared(memory->whole, pages) != LM_GROW_REFUSED;
    if (pages > memory->pages_max - memory->pages) return false;
    if (pages == 0) return true;
    if (memory->moving) return move(memory, memory->pages + pages);
    if (memory->provide) return provided(memory, memory->pages + pages, false);
    if (!commit_until(memory, memory->pages, memory->pages + pages)) return false;
    __atomic_store_n(&memory->pages, memory->pages + pages, __ATOMIC_RELEASE); // others may read it
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
