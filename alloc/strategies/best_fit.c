// best_fit: the smallest free block that is large enough, the lowest of equal ones.
//
// Idea: what is left over is as small as can be, and large blocks stay whole for those who need
// them. Wilson et al. (1995) and Johnstone and Wilson (1998) found best fit, with the lowest
// address among equals, to waste least or next to least of all policies on real programs. No list
// is scanned: the blocks stand in a tree by size and address (free_tree.h).
//
// Blocks, merging and growth: boundary_tags.h.
//
// Costs: allocate, free and resize in place O(log n) for n free blocks, expected over the hashes of
// their offsets; reset and validate O(blocks); allocate_zeroed and a resize that copies O(size)
// more. 4 bytes a live block, rounded up to 16, at least 32.
//
// Bound: the worst case is bad, about M(n − 2) for M bytes live and blocks up to n (Robson 1977, as
// given by o1heap), though no real program comes near it.
//
// Good at: low waste. Bad at: time, as first_fit; small remains that nobody fits into.
#include "alloc/strategies/free_tree.h"

static inline bool precedes(heap *h, uint32_t a, uint32_t b) {
    uint32_t a_bytes = bytes_of(h, a), b_bytes = bytes_of(h, b);
    return a_bytes != b_bytes ? a_bytes < b_bytes : a < b;
}

static inline bool refresh(heap *h, uint32_t block) {
    (void)h, (void)block;
    return false;
}

static const char *summary_law(heap *h, uint32_t block) {
    (void)h, (void)block;
    return NULL;
}

static inline uint32_t index_find(heap *h, uint32_t bytes) {
    uint32_t block = 0;
    for (uint32_t at = *root_of(h); at;) {
        bool fits = bytes_of(h, at) >= bytes;
        if (fits) block = at;
        at = fits ? *left_of(h, at) : *right_of(h, at);
    }
    return block;
}

const lm_allocator LM_TABLE(best_fit) = {
    .name = "best_fit",
    .idea = "the smallest free block that fits, found in a tree",
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
