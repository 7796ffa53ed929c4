// The explorer's linear memories: as those of fuzz/play/fuzz_memory.c, but with pages smaller than
// the system's. Each has 64 KiB at most, is allocated once, and gives nothing back. Growth moves a
// moving memory between two places; the old place is filled with junk.
#include "fuzz/play/fuzz_memory.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

enum {
    MEMORY_BYTES = LM_PAGE_BYTES * LM_PAGES_MAX,
    GUARD_BYTES = 1 << 16,
    PLACE_BYTES = MEMORY_BYTES + GUARD_BYTES,
    ALL_BYTES = GUARD_BYTES + 2 * PLACE_BYTES,
    JUNK = 0xdb,
};

static bool open_place(unsigned char *first, size_t place) {
    return mprotect(first + place * PLACE_BYTES, MEMORY_BYTES, PROT_READ | PROT_WRITE) == 0;
}

bool fuzz_memory_create(lm_memory *memory, const lm_memory_options *options) {
    void *all =
        mmap(NULL, ALL_BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (all == MAP_FAILED) return false;
    unsigned char *base = (unsigned char *)all + GUARD_BYTES;
    if (!open_place(base, 0) || !open_place(base, 1)) return false;
    *memory = (lm_memory){.base = base, .reservation = all};
    memory->reservation_bytes = ALL_BYTES;
    return fuzz_memory_reset(memory, options);
}

void fuzz_memory_destroy(lm_memory *memory) {
    munmap(memory->reservation, memory->reservation_bytes);
    *memory = (lm_memory){0};
}

bool fuzz_memory_reset(lm_memory *memory, const lm_memory_options *options) {
    if (options->pages_max > LM_PAGES_MAX || options->pages > options->pages_max) {
        errno = EINVAL;
        return false;
    }
    memset(memory->base, 0, MEMORY_BYTES);
    memory->heap_start = options->heap_start ? options->heap_start : LM_BLOCK_ALIGNMENT;
    memory->pages = options->pages;
    memory->pages_max = options->pages_max;
    memory->thread = memory->refusals = memory->moves = 0;
    memory->moving = false;
    return true;
}

// pages_committed: pages of the other place that hold junk.
bool lm_memory_move(lm_memory *memory) {
    unsigned char *first = (unsigned char *)memory->reservation + GUARD_BYTES, *from = memory->base;
    unsigned char *to = from == first ? first + PLACE_BYTES : first;
    size_t bytes = (size_t)memory->pages * LM_PAGE_BYTES;
    size_t junk = (size_t)memory->pages_committed * LM_PAGE_BYTES;
    memcpy(to, from, bytes);
    if (junk > bytes) memset(to + bytes, 0, junk - bytes);
    memset(from, JUNK, bytes);
    memory->pages_committed = memory->pages;
    memory->base = to;
    return true;
}

bool lm_memory_grow_foreign(lm_memory *memory, uint32_t pages) {
    if (pages > memory->pages_max - memory->pages) return false;
    if (pages && memory->moving) lm_memory_move(memory);
    memory->pages += pages;
    return true;
}

// `moves` counts the growths requested.
uint32_t lm_memory_grow_native(lm_memory *memory, uint32_t pages) {
    memory->moves++;
    if (memory->refusals > 0) {
        if (memory->refusals != LM_REFUSE_ALL) memory->refusals--;
        return LM_GROW_REFUSED;
    }
    uint32_t before = memory->pages;
    return lm_memory_grow_foreign(memory, pages) ? before : LM_GROW_REFUSED;
}

void lm_memory_refuse(lm_memory *memory, uint32_t count) {
    memory->refusals = count;
}
