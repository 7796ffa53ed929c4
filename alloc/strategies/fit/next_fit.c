// next_fit: first fit from where the last search ended, around the heap.
//
// Idea: a search that begins at the front of a list meets the same small remains each time; one
// that continues does not (Knuth 1, 2.5, exercise 6). The table of address_tries.inc.h has no such
// remains to avoid; what the policy does to the heap is the same: blocks of all sizes and ages are
// placed side by side all over it, and fragmentation is worse than with first fit and best fit in
// nearly every program (Wilson et al. 1995; Johnstone and Wilson 1998). It is here to be compared.
//
// The rover is the offset of the block found last; the next search begins there, so it meets the
// remainder of that block first. It is an address only: a block need not begin there any more.
// Blocks, merging and growth are boundary_tags.inc.h.
//
// Time and space: as first_fit.
//
// Bound: M + (B + 2)n for M live bytes at most, in B blocks of up to n: that of every policy that
// grows only if no free block fits.
//
// Good at: blocks that die in the order of their allocation; else first_fit is better. Bad at:
// fragmentation, and locality, as it visits the whole heap in turn: lua's heap grows to 8.2 MiB
// instead of 1.4 and holds 2,650 free blocks on average instead of 480, so nearly every free makes
// one and every allocation splits one. 50 ns an operation, against 13 of tlsf and 5 of paged; 39
// against 10 and 4 in cc1plus, 48 against 10 and 4 in python3.
#include "alloc/strategies/fit/address_tries.inc.h"

// Returns the first block of `bytes` at or above `from`, in the bucket of `from`; 0 if none.
// Follows the path of `from`: all that branches off to the right is above it.
static uint32_t next_fit_in_bucket(heap *h, uint32_t from, uint32_t bytes) {
    uint32_t log2 = address_bucket_log2(h), later = 0, first = UINT32_MAX;
    uint32_t node = h->index.roots[from >> log2], path = from << (32 - log2);
    for (; node; path <<= 1) {
        if (node >= from && node < first && boundary_bytes(h, node) >= bytes) first = node;
        uint32_t right = *boundary_word(h, address_child(node, 1));
        if (!(path >> 31) && address_largest_below(h, right) >= bytes) later = right;
        node = *boundary_word(h, address_child(node, path >> 31));
    }
    if (later) {
        uint32_t found = address_first_that_fits(h, later, bytes);
        if (found < first) first = found;
    }
    return first == UINT32_MAX ? 0 : first;
}

static inline uint32_t index_find(heap *h, uint32_t bytes) {
    uint32_t bucket = h->index.rover >> address_bucket_log2(h), block = 0;
    if (bucket < ADDRESS_BUCKETS) {
        if (h->index.largest[bucket] >= bytes) block = next_fit_in_bucket(h, h->index.rover, bytes);
        if (!block) block = address_first_from_bucket(h, bucket + 1, bytes);
    }
    if (!block) block = address_first_from_bucket(h, 0, bytes);
    if (block) h->index.rover = block;
    return block;
}

LM_STRATEGY(next_fit, boundary, .idea = "first fit from where the last search ended",
            .bound = "M + (B + 2) n: a gap before each of B live blocks, up to n",
            .capabilities = BOUNDARY_CAPABILITIES | LM_MERGES,
            .allocate_dirty = boundary_allocate_dirty, .heap_bytes_max = boundary_heap_bytes_max);
