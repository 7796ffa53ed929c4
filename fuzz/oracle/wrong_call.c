#include "fuzz/oracle/wrong_call.h"

#include "alloc/conformance/heap_look.h"

#include <setjmp.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>

typedef enum call { USABLE_SIZE, FREE, RESIZE, RESIZE_ALIGNED, CLOSE_SCOPE, CALLS } call;
wrong_call_watcher *wrong_call_watched;

static const char *const call_names[] = {"usable_size", "free", "resize", "resize_aligned",
                                         "close_scope"};

#define BIT(call) (1u << (call))
static const unsigned any = BIT(USABLE_SIZE) | BIT(FREE) | BIT(RESIZE) | BIT(RESIZE_ALIGNED);
static const unsigned resizes = BIT(RESIZE) | BIT(RESIZE_ALIGNED);

// The calls to make with a wrong pointer or size.
typedef struct wrong_calls {
    unsigned calls; // BITs
    void *pointer;
    size_t size;
} wrong_calls;

// ---- Choosing the calls -------------------------------------------------------------------------

static void *address(const oracle *o, uint64_t offset) {
    return (void *)((uintptr_t)lm_memory_base(o->memory) + (uintptr_t)offset);
}

// Whether the place may hold the record of an ended block that neither the program nor the strategy
// has overwritten.
static bool may_be_haunted(oracle *o, uint64_t offset) {
    const oracle_extent *e = oracle_extent_around(o, offset);
    bool frees = o->allocator->capabilities & LM_FREES_BLOCKS;
    bool cleared = e && !e->foreign && (!o->haunted || e->usable <= ORACLE_CLEARED_MAX);
    return !cleared && (o->haunted || (!frees && o->gave_back));
}

// Calls with an address that is no live block's.
static wrong_calls with_offset(oracle *o, unsigned calls, uint64_t offset, size_t size) {
    if (oracle_block_at(o, offset) || may_be_haunted(o, offset)) calls = 0;
    return (wrong_calls){calls, address(o, offset), size};
}

static wrong_calls with_ended(oracle *o, unsigned calls, uint32_t number, size_t size) {
    const oracle_extent *e = oracle_ended(o, number);
    return e ? with_offset(o, calls, e->offset, size) : (wrong_calls){0};
}

static wrong_calls with_size(oracle *o, uint32_t number, uint32_t more) {
    const oracle_extent *e = oracle_find(o, number);
    if (!e) return (wrong_calls){0};
    return (wrong_calls){BIT(FREE), oracle_address(o, e), (size_t)e->usable + 1 + more};
}

static wrong_calls calls_of(oracle *o, const trace_operation *operation, bool scope_is_open) {
    uint32_t number = operation->argument[1], offset = operation->argument[2];
    const oracle_extent *e = oracle_find(o, number);
    if (!e) e = oracle_ended(o, number);
    switch (operation->argument[0]) {
    case WRONG_double_free:
        return with_ended(o, BIT(FREE), number, offset);
    case WRONG_resize_freed:
        return with_ended(o, resizes, number, offset);
    case WRONG_measure_freed:
        return with_ended(o, BIT(USABLE_SIZE), number, 0);
    case WRONG_interior:
        return e ? with_offset(o, any, e->offset + offset, 0) : (wrong_calls){0};
    case WRONG_foreign:
        return with_offset(o, any, offset, 0);
    case WRONG_far: // never an offset of the memory, whatever its blocks
        return e && offset ? (wrong_calls){any, address(o, e->offset + ((uint64_t)offset << 32)), 0}
                           : (wrong_calls){0};
    case WRONG_null: // free accepts NULL
        return (wrong_calls){BIT(USABLE_SIZE) | resizes, NULL, offset};
    case WRONG_wrong_size:
        return with_size(o, number, offset);
    case WRONG_close_unopened:
        return (wrong_calls){scope_is_open || !o->allocator->close_scope ? 0 : BIT(CLOSE_SCOPE),
                             NULL, 0};
    default:
        return (wrong_calls){0};
    }
}

// ---- Calling ------------------------------------------------------------------------------------

static sigjmp_buf trap;

static void trapped(int number) {
    (void)number;
    siglongjmp(trap, 1);
}

static bool is_caught(const oracle *o, call made, const wrong_calls *w) {
    const lm_allocator *allocator = o->allocator;
    if (sigsetjmp(trap, 0)) return true;
    switch (made) {
    case USABLE_SIZE:
        allocator->usable_size(w->pointer, o->memory);
        break;
    case FREE:
        allocator->free(w->pointer, w->size, o->memory);
        break;
    case RESIZE:
        allocator->resize(w->pointer, w->size, o->memory);
        break;
    case RESIZE_ALIGNED:
        allocator->resize_aligned(w->pointer, w->size, 64, o->memory);
        break;
    default:
        allocator->close_scope(o->memory);
    }
    return false;
}

// Describes an address for a finding.
static const char *place_of(oracle *o, uint64_t offset) {
    static char text[64];
    const oracle_extent *e = oracle_extent_around(o, offset);
    if (e)
        snprintf(text, sizeof text, "in %s %u, %llu behind its start",
                 e->foreign ? "foreign" : "block", e->number,
                 (unsigned long long)(offset - e->offset));
    else
        snprintf(text, sizeof text, "in no block");
    return text;
}

static bool is_seen(oracle *o, call made, const wrong_calls *w, const char *word) {
    if (wrong_call_watched) wrong_call_watched(call_names[made], w->pointer, w->size);
    struct sigaction catching = {.sa_handler = trapped, .sa_flags = SA_NODEFER}, ill, other;
    sigaction(SIGILL, &catching, &ill);
    sigaction(SIGTRAP, &catching, &other);
    bool caught = is_caught(o, made, w);
    sigaction(SIGILL, &ill, NULL);
    sigaction(SIGTRAP, &other, NULL);
    uint64_t offset = (uintptr_t)w->pointer - (uintptr_t)lm_memory_base(o->memory);
    return caught ||
           oracle_breaks(o, LAW_traps, "%s: %s at %lld, %s, size %zu: not caught", word,
                         call_names[made], (long long)offset, place_of(o, offset), w->size);
}

bool wrong_call_make(oracle *o, const trace_operation *operation, bool scope_is_open) {
    if (o->allocator->check_level == 0) return true;
    wrong_calls w = calls_of(o, operation, scope_is_open);
    if (!w.calls) return true;
    const char *word = trace_wrong_calls[operation->argument[0]];
    heap_look before = heap_look_at(o);
    for (call made = 0; made < CALLS; made++)
        if (w.calls & BIT(made) && !is_seen(o, made, &w, word)) return false;
    heap_look after = heap_look_at(o);
    return heap_look_same(&before, &after) ||
           oracle_breaks(o, LAW_traps, "%s: it is caught too late: the heap has changed", word);
}
