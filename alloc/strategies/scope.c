// scope: a bump allocator whose scopes open and close like brackets.
//
// Idea: what a function allocates for its own use dies when it returns, and so do the scopes that
// it opened: one step back frees all of it. The obstack of GNU, the mark and release of Pascal, the
// nested arenas of Hanson (1990); Kotlin/Wasm gives its callers linear memory in this way only
// (withScopedMemoryAllocator). Layout and laws: arena.h.
//
// Opening lays a record into the arena, which tells where to go back to. Closing goes back: to the
// region and the place of the record. Regions that were entered meanwhile become idle and serve
// whoever needs one next, so that growth inside a scope stays with the heap.
//
//     ... block [record] block block [record] block | next
//                 ^------- outer ------'               scope: the inner record
//
// Laws, besides those of arena.h (validate's name):
//     scopes    open ones are nested, each recorded below the one it encloses
//
// Costs: allocate O(1), and one growth where the region is used up and the largest idle one is too
// small. Free O(1): it does nothing. Resize O(1) for the last block, else O(size). Open O(1). Close
// and reset O(1), and O(idle regions) for each region that was entered since. Validate O(blocks).
// 4 bytes a block, rounded up to 16; 16 bytes a scope, 32 for the heap.
//
// Bound: none. The heap is the sum of all requests since the innermost scope was opened and
// of all outer ones.
//
// Good at: time, and memory that is given back in the order of the calls. Bad at: what outlives the
// scope it was allocated in; to resize anything but the last block copies it.
#include "alloc/strategies/arena.h"

// In a block of its own.
typedef struct record {
    uint32_t outer; // the enclosing scope's record, or 0
    uint32_t start; // the current region when it was opened; the record may lie in the next
    uint32_t next;  // as it was
} record;

static inline record *record_at(const lm_memory *memory, uint32_t offset) {
    return lm_at(memory, offset);
}

static bool start_without_scopes(lm_memory *memory) {
    if (!start(memory)) return false;
    heap_of(memory)->scope = 0;
    return true;
}

static bool open_scope(lm_memory *memory) {
    const heap *h = heap_of(memory);
    record r = {h->scope, h->top.start, h->top.next};
    void *block = allocate(sizeof r, memory);
    if (!block) return false;
    uint32_t offset = lm_offset(memory, block);
    *tag(memory, offset) |= RECORD;
    *record_at(memory, offset) = r;
    heap_of(memory)->scope = offset;
    return true;
}

static void close_scope(lm_memory *memory) {
    heap *h = heap_of(memory);
    LM_CHECK(h->scope != 0);
    if (!h->scope) return; // misuse, and nothing to go back to
    LM_CHECK(*tag(memory, h->scope) & RECORD);
    const record r = *record_at(memory, h->scope);
    h->scope = r.outer;
    go_back(memory, r.start, r.next);
}

static void reset_all(lm_memory *memory) {
    heap_of(memory)->scope = 0;
    reset(memory);
}

static const char *validate_scopes(lm_memory *memory, lm_census *census) {
    const char *broken = validate(memory, census);
    uint64_t end = lm_memory_end(memory);
    uint32_t most = (uint32_t)(end / LM_BLOCK_ALIGNMENT);
    if (broken) return broken;
    for (uint32_t at = heap_of(memory)->scope; at; at = record_at(memory, at)->outer)
        if (at % LM_BLOCK_ALIGNMENT || at < memory->heap_start + FIRST || at >= end ||
            !(*tag(memory, at) & RECORD) || !most--)
            return "scopes";
    return NULL;
}

const lm_allocator LM_TABLE(scope) = {
    .name = "scope",
    .idea = "a bump allocator whose scopes open and close",
    .capabilities = LM_RESIZES_IN_PLACE | LM_IN_LINEAR_MEMORY | LM_HOLDS_CONTENT | LM_NESTS_SCOPES,
    .check_level = LM_CHECK_LEVEL,
    .start = start_without_scopes,
    .allocate = allocate,
    .allocate_zeroed = allocate_zeroed,
    .allocate_aligned = allocate_aligned,
    .resize = resize,
    .resize_aligned = resize_aligned,
    .free = release_block,
    .usable_size = usable_size,
    .block_bytes_max = block_bytes_max,
    .reset = reset_all,
    .open_scope = open_scope,
    .close_scope = close_scope,
    .validate = validate_scopes,
};
