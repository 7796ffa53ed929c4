// next_fit: first fit from where the last search ended, around the heap.
//
// Idea: a list search that begins at the front meets the same small remains each time; one that
// roves does not (Knuth 1, 2.5, exercise 6). What it saves in a list, a tree saves anyway
// (address_tree.h); what it does to the heap stays: blocks of all sizes and ages are laid side by
// side all over it, and fragmentation is worse than first fit's and best fit's in nearly every
// program (Wilson et al. 1995; Johnstone and Wilson 1998). It is here to be compared with.
//
// Blocks, merging and growth: boundary_tags.h. The rover is the offset of the block found last; the
// next search begins there, so a remainder behind it comes first. It is an address only: whether a
// block begins there still does not matter.
//
// Costs: as first_fit's. Bound: the heap may take M * n for M bytes live and blocks up to n: as bad
// as any policy that does not grow without need.
//
// Good at: nothing that first_fit is not better at, but for blocks that die in the order of their
// birth. Bad at: fragmentation, and locality, as it visits the whole heap in turn.
#include "alloc/strategies/address_tree.h"

// The first block at `from` or above that has at least `bytes`; 0: none has. Down to the block that
// would come next; then up, past what lies below it.
static inline uint32_t first_from(heap *h, uint32_t from, uint32_t bytes) {
    uint32_t block = 0;
    for (uint32_t at = *root_of(h); at;) {
        if (at < from) {
            at = *right_of(h, at);
        } else {
            block = at;
            at = *left_of(h, at);
        }
    }
    while (block) {
        if (bytes_of(h, block) >= bytes) return block;
        uint32_t found = first_that_fits(h, *right_of(h, block), bytes);
        if (found) return found;
        uint32_t below = block;
        do { // to the first one of which we come from the left
            below = block;
            block = *parent_of(h, below);
        } while (block && *right_of(h, block) == below);
    }
    return 0;
}

static inline uint32_t index_find(heap *h, uint32_t bytes) {
    uint32_t block = first_from(h, h->index.rover, bytes);
    if (!block) block = first_that_fits(h, *root_of(h), bytes);
    if (block) h->index.rover = block;
    return block;
}

const lm_allocator LM_TABLE(next_fit) = {
    .name = "next_fit",
    .idea = "first fit from where the last search ended",
    .capabilities = LM_FREES_BLOCKS | LM_RESIZES_IN_PLACE | LM_IN_LINEAR_MEMORY | LM_HOLDS_CONTENT |
                    LM_MERGES,
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
    .validate = validate,
};
