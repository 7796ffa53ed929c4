// Placements computed beforehand: where an allocator would put each block that could see the sizes
// as they come, keep no headers and search for nothing while the program runs.
//
// Address-ordered first fit over 16-byte granules, the packing that Wilson et al. (1995) found hard
// to beat. `gaps` is a treap of the free ranges by address; each node knows the longest gap below
// it. O(log n) an operation, expected.
#pragma once

#include <stdbool.h>
#include <stdint.h>

typedef struct placement placement;

// Places from offset `start` on, at most `blocks_max` blocks at a time (gaps lie between blocks, so
// there is one more of them at most). NULL: out of memory.
placement *placement_new(uint32_t start, uint32_t blocks_max);
void placement_free(placement *placement);

// Returns the lowest offset at which `size` bytes fit with this alignment, and takes them; 0 where
// they fit nowhere below 2^32.
uint32_t placement_take(placement *placement, uint32_t size, uint32_t alignment);

// Gives back what was taken with the same size.
void placement_give(placement *placement, uint32_t offset, uint32_t size);

// Makes a taken block larger or smaller where it is. False: what follows it is taken.
bool placement_resize(placement *placement, uint32_t offset, uint32_t size, uint32_t new_size);

// The end of the highest block that was ever taken.
uint64_t placement_end(const placement *placement);
