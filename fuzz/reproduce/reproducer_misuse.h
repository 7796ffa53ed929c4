// ---- Wrong calls --------------------------------------------------------------------------------
//
// Each must trap, at check level 1, and change nothing in the heap.
#define WRONG_CALLS true
#include "alloc/conformance/heap_look.h"
#include "fuzz/reproduce/reproducer_heap.h"

#include <setjmp.h>

static sigjmp_buf trap;
static heap_look before;

static void trapped(int number) {
    (void)number;
    siglongjmp(trap, 1);
}

// An address at which no block begins, unless this heap is not the one that was found broken.
static void *no_block(uint64_t offset) {
    if (oracle_block_at(&heap.oracle, offset))
        puts("nothing is broken: a block is at another place than it was"), exit(0);
    return (void *)((uintptr_t)lm_memory_base(&memory) + (uintptr_t)offset);
}
static oracle_extent *find(uint32_t number) {
    oracle_extent *extent = oracle_find(&heap.oracle, number);
    if (!extent) puts("nothing is broken: a block could not be allocated"), exit(0);
    return extent;
}
static void *block(uint32_t number) {
    return oracle_address(&heap.oracle, find(number));
}
static size_t usable(uint32_t number) {
    return find(number)->usable;
}

static void look(void) {
    before = heap_look_at(&heap.oracle);
}
static void check_look(void) {
    heap_look after = heap_look_at(&heap.oracle);
    if (!heap_look_same(&before, &after))
        broken("traps", "it is caught too late: the heap has changed");
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
            broken("traps", "%s is not caught", #call);                                            \
        }                                                                                          \
        signal(SIGILL, died_by);                                                                   \
        signal(SIGTRAP, died_by);                                                                  \
    } while (0)
