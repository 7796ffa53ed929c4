// first_fit: the free block with the lowest address that is large enough.
//
// Idea: requests are served as far down as they fit, so that small blocks gather at the low end and
// large free blocks survive at the high end. Wilson, Johnstone, Neely and Boles, "Dynamic storage
// allocation: a survey and critical review" (1995), found address-ordered first fit and best fit to
// waste least on real programs. A list in address order would be scanned past all the small remains
// at its front; we keep a tree instead and find the very same block.
//
// Source: C. J. Stephenson, "Fast fits: new methods for dynamic storage allocation", SOSP 1983: a
// Cartesian tree of the free blocks, by address from left to right, and by size from the root down:
// no child is larger than its parent. Blocks, merging and growth: boundary_tags.h.
//
//                       [ 4096 at 800 ]                 first fit for 48:
//                      /               \                4096 fits, and so does 64 on its left;
//          [ 64 at 320 ]               [ 512 at 9600 ]  32 on the left of that does not:
//         /             \                               the block at 320.
//     [ 32 at 96 ]     [ 64 at 640 ]
//
// Where a block fits, the lowest one that does is in its left subtree if the left child fits, else
// it is the block itself. Blocks of one size are told apart by a hash of their offsets, as if in a
// treap (Seidel and Aragon 1996): many equal blocks, which are common, make no long path.
//
// Layout: a free block begins with two links, to the roots of its left and its right subtree.
//
// Laws, besides those of boundary_tags.h (validate's names):
//     free blocks in the index      each free block is reached from the root by its address
//     larger above                  no block ranks above its parent
//     index holds free blocks only  there are as many links as free blocks
//
// Costs: allocate, free and resize in place are O(depth) of the tree; reset O(blocks); validate
// O(blocks * depth); allocate_zeroed and a resize that copies O(size) more. The depth is
// logarithmic where sizes are equal or spread without order. It collapses, to the count of free
// blocks, where their sizes rise or fall steadily with the address, all different: a program that
// frees every second of blocks that it allocated ever larger.
//
// Bound: the heap is at most M(1 + ceil(log2 n)) for M bytes live and blocks up to n (Robson 1977,
// as given by o1heap): the best of all that are known for a practical policy.
//
// Good at: low fragmentation over a long life. Bad at: time: every operation walks paths through
// blocks scattered over the heap.
#include "alloc/strategies/strategy.h"

typedef struct block_index {
    uint32_t root;
} block_index;

#include "alloc/strategies/boundary_tags.h"

static inline word *left_of(heap h, uint32_t block) {
    return word_at(h, block);
}
static inline word *right_of(heap h, uint32_t block) {
    return word_at(h, block + LM_WORD_BYTES);
}
static inline word *root_of(heap h) {
    return &h.control->index.root;
}
static inline word *child_towards(heap h, uint32_t block, uint32_t sought) {
    return sought < block ? left_of(h, block) : right_of(h, block);
}

// Fibonacci hashing (Knuth 3, 6.4), whose low bits are weak: they count least here.
static inline uint32_t hash(uint32_t block) {
    return block / LM_BLOCK_ALIGNMENT * 2654435769u;
}

static inline bool ranks_above(heap h, uint32_t a, uint32_t b) {
    uint32_t a_bytes = bytes_of(h, a), b_bytes = bytes_of(h, b);
    return a_bytes != b_bytes ? a_bytes > b_bytes : hash(a) > hash(b);
}

static inline uint32_t index_find(heap h, uint32_t bytes) {
    uint32_t block = *root_of(h);
    if (!block || bytes_of(h, block) < bytes) return 0;
    for (uint32_t left; (left = *left_of(h, block)) && bytes_of(h, left) >= bytes;)
        block = left;
    return block;
}

// Goes down to the first block that ranks below, and splits its tree by address under the new one.
static inline void index_insert(heap h, uint32_t block, uint32_t bytes) {
    (void)bytes;
    word *link = root_of(h);
    while (*link && ranks_above(h, *link, block))
        link = child_towards(h, *link, block);
    uint32_t split = *link;
    *link = block;
    word *lower = left_of(h, block), *higher = right_of(h, block);
    while (split) {
        if (split < block) {
            *lower = split;
            lower = right_of(h, split);
            split = *lower;
        } else {
            *higher = split;
            higher = left_of(h, split);
            split = *higher;
        }
    }
    *lower = *higher = 0;
}

// Joins the block's two subtrees in its place.
static inline void index_remove(heap h, uint32_t block) {
    word *link = root_of(h);
    while (*link != block) {
        LM_CHECK(*link != 0);
        link = child_towards(h, *link, block);
    }
    uint32_t left = *left_of(h, block), right = *right_of(h, block);
    while (left && right) {
        if (ranks_above(h, left, right)) {
            *link = left;
            link = right_of(h, left);
            left = *link;
        } else {
            *link = right;
            link = left_of(h, right);
            right = *link;
        }
    }
    *link = left ? left : right;
}

static bool in_heap(heap h, uint32_t block) {
    return block % LM_BLOCK_ALIGNMENT == 0 && block - h.first < h.control->top - h.first;
}

static bool index_holds(heap h, uint32_t block) {
    uint32_t at = *root_of(h);
    for (uint32_t steps = 0; at != block; at = *child_towards(h, at, block))
        if (!in_heap(h, at) || steps++ > (h.control->top - h.first) / BLOCK_BYTES_MIN) return false;
    return true;
}

// Every free block is reached by its address: that has been seen. So no link is missing, and if
// their number is right, none is there besides.
static const char *index_law(heap h, uint64_t free_blocks) {
    uint64_t links = *root_of(h) != 0;
    for (uint32_t block = h.first; block != h.control->top; block += bytes_of(h, block)) {
        if (!(*tag(h, block) & FREE)) continue;
        uint32_t children[] = {*left_of(h, block), *right_of(h, block)};
        for (int i = 0; i < 2; i++) {
            if (!children[i]) continue;
            if (!in_heap(h, children[i])) return "index holds free blocks only";
            if (ranks_above(h, children[i], block)) return "larger above";
            links++;
        }
    }
    return links == free_blocks ? NULL : "index holds free blocks only";
}

const lm_allocator LM_TABLE(first_fit) = {
    .name = "first_fit",
    .idea = "the lowest free block that fits, by a Cartesian tree",
    .capabilities = LM_FREES_BLOCKS | LM_RESIZES_IN_PLACE | LM_IN_LINEAR_MEMORY | LM_HOLDS_CONTENT,
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
