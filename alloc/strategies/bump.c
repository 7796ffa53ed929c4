// bump: the next block begins where the last one ended.
//
// Idea: nothing is searched, merged or freed; a whole heap is thrown away at once. The region of
// Hanson, "Fast allocation and deallocation of memory based on object lifetimes" (1990), and the
// arena of every compiler. Layout and laws: arena.h.
//
// Costs: allocate O(1), and one growth where the region is used up and the largest idle one is too
// small. Free O(1): it does nothing. Resize O(1) for the last block, else O(size). Reset O(1), or
// O(regions^2) where foreign growths have left several. Validate O(blocks). 4 bytes a block,
// rounded up to 16; 32 bytes for the heap.
//
// Bound: none. The heap is the sum of all requests since the last reset.
//
// Good at: time, where everything dies at once. Bad at: everything that lives on.
#include "alloc/strategies/arena.h"

const lm_allocator LM_TABLE(bump) = {
    .name = "bump",
    .idea = "each block behind the last one; all are freed at once",
    .capabilities = LM_RESIZES_IN_PLACE | LM_IN_LINEAR_MEMORY | LM_HOLDS_CONTENT,
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
