#include "alloc/linear_memory.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

enum {
    SYSTEM_PAGE_BYTES = 4096,
    STEP_BYTES = LM_COMMIT_STEP_BYTES,
    STEP_PAGES = STEP_BYTES / LM_PAGE_BYTES,
    AHEAD_ALIGNMENT_BYTES = 1 << 30, // what a page table of the third level maps: it moves as one
    // That a memory moves between: each may come to take 512 MiB of AddressSanitizer's shadow, as
    // each end that the memory ever had there is poisoned once.
    AHEAD_PLACES = 3,
    CLEARED_PAGES = 8, // which are sooner cleared than given back and faulted in again
};

// With AHEAD the page behind the size is poisoned, unless it is the reservation's guard.
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define LM_POISONS
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define LM_POISONS
#endif
#ifdef LM_POISONS
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(address, bytes)   ((void)(address), (void)(bytes))
#define ASAN_UNPOISON_MEMORY_REGION(address, bytes) ((void)(address), (void)(bytes))
#endif

// Of the base: a huge page begins at a multiple of its size only.
static uint64_t alignment_bytes(lm_memory_commit commit) {
    return commit == LM_COMMIT_AHEAD  ? AHEAD_ALIGNMENT_BYTES
           : commit == LM_COMMIT_HUGE ? STEP_BYTES
                                      : LM_PAGE_BYTES;
}

// With AHEAD a memory moves between places in one reservation, so that AddressSanitizer's shadow of
// them stays; each place has room for the maximum and the page behind it.
static uint64_t place_bytes(uint32_t pages_max) {
    uint64_t bytes = (uint64_t)pages_max * LM_PAGE_BYTES + LM_PAGE_BYTES;
    return (bytes + AHEAD_ALIGNMENT_BYTES - 1) / AHEAD_ALIGNMENT_BYTES * AHEAD_ALIGNMENT_BYTES;
}

// A reservation holds the memory at its maximum, what aligning the base may skip, and a guard of
// one page behind it.
static uint64_t reservation_bytes(const lm_memory *memory) {
    if (memory->commit == LM_COMMIT_AHEAD)
        return AHEAD_PLACES * place_bytes(memory->pages_max) + AHEAD_ALIGNMENT_BYTES;
    return (uint64_t)memory->pages_max * LM_PAGE_BYTES + alignment_bytes(memory->commit) +
           LM_PAGE_BYTES;
}

// With AHEAD: the bytes that a memory may be renewed to, all accessible.
static uint64_t ahead_bytes(const lm_memory *memory) {
    return (uint64_t)memory->pages_committed * LM_PAGE_BYTES;
}

static void poison(const lm_memory *memory) {
    uint64_t end = (uint64_t)memory->pages * LM_PAGE_BYTES;
    if (memory->commit == LM_COMMIT_AHEAD && end < ahead_bytes(memory))
        ASAN_POISON_MEMORY_REGION(memory->base + end, LM_PAGE_BYTES);
}
static void unpoison(const lm_memory *memory) {
    uint64_t end = (uint64_t)memory->pages * LM_PAGE_BYTES;
    if (memory->commit == LM_COMMIT_AHEAD && end < ahead_bytes(memory))
        ASAN_UNPOISON_MEMORY_REGION(memory->base + end, LM_PAGE_BYTES);
}

// Reserves address space, below `above` where that is free: successive moves then go down and don't
// come back to an address that somebody may have kept.
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

// Makes a range present. False: the system has no memory. Linux before 5.14 has no call for it;
// each page is then written to by replacing a zero with a zero, which disturbs no other thread and
// which no compiler leaves out.
static bool populate(unsigned char *from, uint64_t bytes) {
    if (madvise(from, bytes, MADV_POPULATE_WRITE) == 0) return true;
    if (errno != EINVAL) return false;
    for (uint64_t at = 0; at < bytes; at += SYSTEM_PAGE_BYTES) {
        unsigned char zero = 0;
        __atomic_compare_exchange_n(from + at, &zero, 0, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
    }
    return true;
}

// Commits the pages from `before` to `end`; 2M and HUGE in whole steps, cut by the maximum only.
//
// A step becomes accessible as a whole, also where it lies beyond the size. For HUGE it must: the
// system backs a range with a huge page only where all of it is accessible. For 2M it saves the
// system call of the other 31 growths; and access is only ever added, so that threads that grow at
// once need no lock. What strays beyond the size is caught with 4K.
static bool commit_until(lm_memory *memory, uint32_t before, uint32_t end) {
    if (memory->commit == LM_COMMIT_AHEAD) return true;
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

// All places of a memory with AHEAD.
static bool open_places(const lm_memory *memory) {
    bool open = true;
    for (uint64_t i = 0; open && i < AHEAD_PLACES; i++)
        open = commit(memory->base + i * place_bytes(memory->pages_max), 0, memory->pages_max);
    return open;
}

// Reserves the memory's address space, below `above` where that is free, and commits `pages` of it.
// False, with errno: nothing is held.
static bool occupy(lm_memory *memory, uint32_t pages, const void *above) {
    bool ahead = memory->commit == LM_COMMIT_AHEAD;
    memory->reservation_bytes = reservation_bytes(memory);
    memory->reservation = reserve(memory->reservation_bytes, above);
    if (!memory->reservation) return false;
    memory->base = first_page(memory->reservation, alignment_bytes(memory->commit));
    memory->pages = pages;
    memory->pages_committed = ahead ? memory->pages_max : 0;
    if (memory->commit == LM_COMMIT_HUGE) // refused where there are none: then as 4K
        madvise(memory->reservation, memory->reservation_bytes, MADV_HUGEPAGE);
    if (ahead) madvise(memory->reservation, memory->reservation_bytes, MADV_NOHUGEPAGE);
    if (ahead ? open_places(memory) : commit_until(memory, 0, pages)) {
        poison(memory);
        return true;
    }
    int reason = errno;
    munmap(memory->reservation, memory->reservation_bytes);
    errno = reason;
    return false;
}

// Views grow at once, without a lock: a page is first made accessible and then counted, and who
// comes second with the count begins again behind it. To make a page accessible twice is harmless.
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
    if (thread >= LM_THREADS_MAX || memory->moving || memory->commit == LM_COMMIT_AHEAD) {
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

// What the options ask for, before there is memory. False (EINVAL): they contradict each other.
static bool begin(lm_memory *memory, const lm_memory_options *options) {
    uint32_t heap_start = options->heap_start ? options->heap_start : LM_BLOCK_ALIGNMENT;
    *memory = (lm_memory){
        .heap_start = heap_start,
        .pages_max = options->pages_max,
        .moving = options->moving,
        .commit = options->commit,
    };
    bool valid = options->pages_max > 0 && options->pages_max <= LM_PAGES_MAX &&
                 options->pages <= options->pages_max && heap_start % LM_BLOCK_ALIGNMENT == 0 &&
                 options->commit <= LM_COMMIT_AHEAD;
    if (!valid) errno = EINVAL;
    return valid;
}

bool lm_memory_create(lm_memory *memory, const lm_memory_options *options) {
    if (!begin(memory, options)) return false;
    return occupy(memory, options->pages, NULL);
}

static void clear(unsigned char *base, uint64_t from, uint64_t end) {
    if (from < end) madvise(base + from, end - from, MADV_DONTNEED);
}

// Some pages from the one before the heap's start on are sooner cleared; the rest is given back.
static void clear_all(const lm_memory *memory) {
    uint64_t end = (uint64_t)memory->pages * LM_PAGE_BYTES;
    uint64_t from = memory->heap_start / LM_PAGE_BYTES * (uint64_t)LM_PAGE_BYTES;
    from = from > end ? end : from >= LM_PAGE_BYTES ? from - LM_PAGE_BYTES : 0;
    uint64_t to =
        end - from < CLEARED_PAGES * LM_PAGE_BYTES ? end : from + CLEARED_PAGES * LM_PAGE_BYTES;
    memset(memory->base + from, 0, to - from);
    clear(memory->base, 0, from);
    clear(memory->base, to, end);
}

bool lm_memory_renew(lm_memory *memory, const lm_memory_options *options, bool cleared) {
    lm_memory renewed;
    if (!begin(&renewed, options)) return false;
    renewed.base =
        memory->carry ? first_page(memory->reservation, AHEAD_ALIGNMENT_BYTES) : memory->base;
    renewed.pages = options->pages;
    renewed.reservation = memory->reservation;
    renewed.reservation_bytes = memory->reservation_bytes;
    renewed.pages_committed = memory->pages_committed;
    renewed.carry = memory->carry;
    if (memory->commit != LM_COMMIT_AHEAD || options->commit != LM_COMMIT_AHEAD ||
        options->pages_max > memory->pages_committed) {
        errno = EINVAL;
        return false;
    }
    unpoison(memory);
    if (!cleared) clear_all(memory);
    *memory = renewed;
    poison(memory);
    return true;
}

void lm_memory_destroy(lm_memory *memory) {
    unpoison(memory);
    munmap(memory->reservation, memory->reservation_bytes);
    *memory = (lm_memory){0};
}

// Copies what is not zero, so that pages that nobody has touched stay unbacked.
static void copy_touched(unsigned char *to, const unsigned char *from, uint64_t bytes) {
    for (uint64_t at = 0; at < bytes; at += SYSTEM_PAGE_BYTES) {
        const unsigned char *page = from + at;
        if (page[0] != 0 || memcmp(page, page + 1, SYSTEM_PAGE_BYTES - 1) != 0)
            memcpy(to + at, page, SYSTEM_PAGE_BYTES);
    }
}

// With AHEAD all is one mapping, which moves with its page tables: the last place stays reserved,
// and faults. Where content is carried all places stay open; what is not in use reads as zero.
static bool move_mapping(const lm_memory *memory, unsigned char *to) {
    enum { FLAGS = MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP };
    uint64_t bytes = ahead_bytes(memory);
    if (mremap(memory->base, bytes, bytes, FLAGS, to) == MAP_FAILED) return false;
    if (!memory->carry) mprotect(memory->base, bytes, PROT_NONE);
    return true;
}

// With AHEAD: to the next place.
static bool move_place(lm_memory *memory, uint32_t pages) {
    uint64_t apart = place_bytes(memory->pages_committed);
    unsigned char *first = first_page(memory->reservation, AHEAD_ALIGNMENT_BYTES);
    uint64_t place = (uint64_t)(memory->base - first) / apart;
    unsigned char *to = first + (place + 1) % AHEAD_PLACES * apart;
    bool carried = memory->carry && memory->carry(to, memory->base);
    if (!carried && !move_mapping(memory, to)) return false;
    unpoison(memory);
    memory->base = to;
    memory->pages = pages;
    memory->moves++;
    poison(memory);
    return true;
}

// Moves the content to a new reservation with `pages` pages. The old one is unmapped: it faults.
static bool move(lm_memory *memory, uint32_t pages) {
    if (memory->commit == LM_COMMIT_AHEAD) return move_place(memory, pages);
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
    if (!commit_until(memory, memory->pages, memory->pages + pages)) return false;
    unpoison(memory);
    __atomic_store_n(&memory->pages, memory->pages + pages, __ATOMIC_RELEASE); // others may read it
    poison(memory);
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
