// Linear memories for the explorer: as alloc/linear_memory.c's with LM_COMMIT_AHEAD, but of pages
// that are smaller than the system's. One is 64 KiB at most, made once, and nothing is given back.
#include "alloc/linear_memory.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

enum { MEMORY_BYTES = LM_PAGE_BYTES * LM_PAGES_MAX, GUARD_BYTES = 1 << 16 };

bool lm_memory_create(lm_memory *memory, const lm_memory_options *options) {
    void *all = mmap(NULL, MEMORY_BYTES + 2 * GUARD_BYTES, PROT_NONE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (all == MAP_FAILED) return false;
    unsigned char *base = (unsigned char *)all + GUARD_BYTES;
    if (mprotect(base, MEMORY_BYTES, PROT_READ | PROT_WRITE) != 0) return false;
    *memory = (lm_memory){.base = base, .reservation = all};
    memory->reservation_bytes = MEMORY_BYTES + 2 * GUARD_BYTES;
    return lm_memory_renew(memory, options, true);
}

void lm_memory_destroy(lm_memory *memory) {
    munmap(memory->reservation, memory->reservation_bytes);
    *memory = (lm_memory){0};
}

bool lm_memory_renew(lm_memory *memory, const lm_memory_options *options, bool cleared) {
    if (options->pages_max > LM_PAGES_MAX || options->pages > options->pages_max) {
        errno = EINVAL;
        return false;
    }
    if (!cleared) memset(memory->base, 0, MEMORY_BYTES);
    memory->heap_start = options->heap_start ? options->heap_start : LM_BLOCK_ALIGNMENT;
    memory->pages = options->pages;
    memory->pages_max = options->pages_max;
    memory->thread = memory->refusals = memory->moves = 0;
    memory->moving = false;
    return true;
}

bool lm_memory_grow_foreign(lm_memory *memory, uint32_t pages) {
    if (pages > memory->pages_max - memory->pages) return false;
    memory->pages += pages;
    return true;
}

// `moves` counts what growth is asked for: the base stays.
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

bool lm_memory_move(lm_memory *memory) {
    (void)memory;
    return false;
}
