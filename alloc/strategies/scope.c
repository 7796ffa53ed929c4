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
// Costs: allocate O(1), and one growth where the region is used up, before which idle regions are
// looked at, as many as foreign growths have left. Free O(1): it does nothing. Resize O(1) for the
// last block, else O(size). Open O(1), close and reset O(regions entered since). Validate
// O(blocks). 4 bytes a block, rounded up to 16; 32 bytes a scope, 48 for the heap.
//
// Bound: none. The heap is the sum of all requests since the innermost scope was opened and
// of all outer ones.
//
// Good at: time, and memory that is given back in the order of the calls. Bad at: what outlives the
// scope it was allocated in; to resize anything but the last block copies it.
#include "alloc/strategies/arena.h"

// In a block of its own.
typedef struct record {
    uint32_t outer;  // the enclosing scope's record, or 0
    uint32_t region; // the current one when it was opened; the record may lie in the next
    uint32_t next;   // as it was
} record;

static bool open_scope(lm_memory *memory) {
    heap *h = heap_of(memory);
    record r = {h->scope, h->current, h->next};
    void *block = allocate(sizeof r, memory);
    if (!block) return false;
    h = heap_of(memory);
    uint32_t offset = (uint32_t)((uintptr_t)block - (uintptr_t)h);
    *tag(h, offset) |= RECORD;
    memcpy(block, &r, sizeof r);
    h->scope = offset;
    return true;
}

static void close_scope(lm_memory *memory) {
    heap *h = heap_of(memory);
    LM_CHECK(h->scope != 0);
    if (!h->scope) return; // misuse, and nothing to go back to
    LM_CHECK(*tag(h, h->scope) & RECORD);
    const record r = *(const record *)address_of(h, h->scope);
    h->scope = r.outer;
    go_back(h, r.region, r.next);
}

static const char *scopes_law(lm_memory *memory) {
    heap *h = heap_of(memory);
    uint32_t most = memory_end(memory) / LM_BLOCK_ALIGNMENT;
    for (uint32_t at = h->scope; at; at = ((const record *)address_of(h, at))->outer)
        if (at % LM_BLOCK_ALIGNMENT || !holds(memory, at) || !(*tag(h, at) & RECORD) || !most--)
            return "scopes";
    return NULL;
}

const lm_allocator LM_TABLE(scope) = {
    .name = "scope",
    .idea = "a bump allocator whose scopes open and close",
    .capabilities = LM_RESIZES_IN_PLACE | LM_IN_LINEAR_MEMORY | LM_HOLDS_CONTENT | LM_NESTS_SCOPES,
    .check_level = LM_CHECK_LEVEL,
    .start = start,
    .allocate = allocate,
    .allocate_zeroed = allocate_zeroed,
    .allocate_aligned = allocate_aligned,
    .resize = resize,
    .resize_aligned = resize_aligned,
    .free = release_block,
    .usable_size = usable_size,
    .block_bytes_max = block_bytes_max,
    .reset = reset,
    .open_scope = open_scope,
    .close_scope = close_scope,
    .validate = validate,
};
