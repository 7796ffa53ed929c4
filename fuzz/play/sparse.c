#include "fuzz/play/sparse.h"

#include "fuzz/play/dirty.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { PAGE_BYTES = 4096, LARGE_BYTES = 1 << 20, PAGES_AT_ONCE = 512 };

// Gives a range's whole pages back to the system and zeroes the rest. Returns false if that fails.
static bool clear(unsigned char *to, size_t count) {
    size_t head = (size_t)(-(uintptr_t)to & (PAGE_BYTES - 1));
    size_t inner = (count - head) & ~(size_t)(PAGE_BYTES - 1);
    dirty_mark(to, head);
    dirty_mark(to + head + inner, count - head - inner);
    memset(to, 0, head);
    memset(to + head + inner, 0, count - head - inner);
    return madvise(to + head, inner, MADV_DONTNEED) == 0;
}

void *sparse_memset(void *to, int byte, size_t count) {
    bool large = byte == 0 && count >= LARGE_BYTES;
    if (large && (dirty_zero(to, count) || clear(to, count))) return to;
    dirty_mark(to, count);
    return memset(to, byte, count);
}

// Returns whether a page has content, in memory or swapped out (Linux: admin-guide/mm/pagemap.rst).
static bool is_there(uint64_t entry) {
    return entry >> 62 != 0;
}

// Copies the pages with content to a zeroed range. Returns false if the system does not tell which.
static bool copy_touched(unsigned char *to, const unsigned char *from, size_t count) {
    static int pagemap = -1;
    if (pagemap < 0) pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
    uintptr_t start = (uintptr_t)from, end = start + count;
    uint64_t entries[PAGES_AT_ONCE];
    for (uintptr_t page = start / PAGE_BYTES; page * PAGE_BYTES < end; page += PAGES_AT_ONCE) {
        if (pread(pagemap, entries, sizeof entries, (off_t)(page * sizeof *entries)) !=
            (ssize_t)sizeof entries)
            return false;
        for (uintptr_t i = 0; i < PAGES_AT_ONCE && (page + i) * PAGE_BYTES < end; i++) {
            if (!is_there(entries[i])) continue;
            uintptr_t at = (page + i) * PAGE_BYTES, until = at + PAGE_BYTES;
            if (at < start) at = start;
            if (until > end) until = end;
            dirty_mark(to + (at - start), until - at);
            memcpy(to + (at - start), from + (at - start), until - at);
        }
    }
    return true;
}

void *sparse_memcpy(void *restrict to, const void *restrict from, size_t count) {
    if (count >= LARGE_BYTES &&
        (dirty_copy(to, from, count) || (clear(to, count) && copy_touched(to, from, count))))
        return to;
    dirty_mark(to, count);
    return memcpy(to, from, count);
}
