// The free blocks by address, each with the size of the largest one in its subtree: where is the
// first one from here on that is large enough? That is the question of first_fit and next_fit, and
// it takes as many steps as the tree is deep (free_tree.h).
//
//                       [ 64 at 800, 4096 ]                  for 48 from the start:
//                      /                   \                 4096 fits below the root, 64 on its
//          [ 32 at 320, 64 ]     [ 4096 at 9600, 4096 ]      left, 32 further left does not, nor
//         /                 \                                the block at 320 itself: at 640.
//     [ 32 at 96, 32 ]     [ 64 at 640, 64 ]
//
// Law, besides those of free_tree.h (validate's name):
//     largest    a block knows the size of the largest one in its subtree
#pragma once

#include "alloc/strategies/free_tree.h"

static inline bool precedes(heap *h, uint32_t a, uint32_t b) {
    (void)h;
    return a < b;
}

static inline uint32_t largest_below(heap *h, uint32_t block) {
    return block ? *summary_of(h, block) : 0;
}

// With the flag of a free block, which changes no comparison with bytes: the summary is the word
// before an address, and must not look like the tag of a live block there.
static inline uint32_t largest_of(heap *h, uint32_t block) {
    uint32_t largest = bytes_of(h, block) | FREE;
    uint32_t left = largest_below(h, *left_of(h, block));
    uint32_t right = largest_below(h, *right_of(h, block));
    if (left > largest) largest = left;
    return right > largest ? right : largest;
}

static inline bool refresh(heap *h, uint32_t block) {
    uint32_t before = *summary_of(h, block), now = largest_of(h, block);
    *summary_of(h, block) = now;
    return now != before;
}

static const char *summary_law(heap *h, uint32_t block) {
    return *summary_of(h, block) == largest_of(h, block) ? NULL : "largest";
}

// The first block of a subtree that has at least `bytes`; 0: none has.
static inline uint32_t first_that_fits(heap *h, uint32_t block, uint32_t bytes) {
    if (largest_below(h, block) < bytes) return 0;
    for (;;) {
        if (largest_below(h, *left_of(h, block)) >= bytes)
            block = *left_of(h, block);
        else if (bytes_of(h, block) >= bytes)
            return block;
        else
            block = *right_of(h, block);
    }
}
