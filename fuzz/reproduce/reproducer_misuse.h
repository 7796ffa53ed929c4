// ---- Wrong calls --------------------------------------------------------------------------------
//
// Each is to trap, as at check level 1 it must, and to change nothing of the heap.
#define CLEARS
#include "fuzz/reproduce/reproducer_heap.h"

#include <setjmp.h>

enum { LOOKED_AT_BYTES = 1 << 17 }; // at each end of a heap, or all of a small one
static sigjmp_buf trap;
static uint64_t looked_at;

static void trapped(int number) {
    (void)number;
    siglongjmp(trap, 1);
}

// An address where no block begins, or this is another heap than the one that was found broken.
static void *no_block(uint64_t offset) {
    for (uint32_t i = 0; i < BLOCKS; i++)
        if (blocks[i].live && blocks[i].offset == offset)
            puts("nothing is broken: a block is served elsewhere than it was"), exit(0);
    return (void *)((uintptr_t)lm_memory_base(&memory) + (uintptr_t)offset);
}
static void *block(uint32_t number) {
    return lm_memory_base(&memory) + blocks[number].offset;
}
static size_t usable(uint32_t number) {
    return blocks[number].usable;
}

static uint64_t hash_bytes(uint64_t hash, uint64_t from, uint64_t to) {
    const unsigned char *base = lm_memory_base(&memory);
    for (uint64_t i = from; i < to; i++)
        hash = (hash ^ base[i]) * UINT64_C(0x100000001B3);
    return hash;
}
static uint64_t hash_heap(void) {
    uint64_t end = memory_end(), start = memory.heap_start;
    uint64_t hash = lm_memory_epoch(&memory) * UINT64_C(31) + memory.refusals;
    if (end <= 2 * LOOKED_AT_BYTES) return hash_bytes(hash, 0, end);
    if (start > end - LOOKED_AT_BYTES) start = end - LOOKED_AT_BYTES;
    hash = hash_bytes(hash, start, start + LOOKED_AT_BYTES);
    return hash_bytes(hash, end - LOOKED_AT_BYTES, end);
}
static void look(void) {
    looked_at = hash_heap();
}
static void holds_look(void) {
    HOLDS(misuse, hash_heap() == looked_at, "it is caught too late: the heap has changed");
}

static void catch_trap(void) {
    call++;
    signal(SIGILL, trapped);
    signal(SIGTRAP, trapped);
}
#define WRONG(call)                                                                                \
    do {                                                                                           \
        catch_trap();                                                                              \
        if (!sigsetjmp(trap, 1)) {                                                                 \
            call;                                                                                  \
            broken("misuse", "%s is not caught", #call);                                           \
        }                                                                                          \
        signal(SIGILL, died_by);                                                                   \
        signal(SIGTRAP, died_by);                                                                  \
    } while (0)
