// Placements computed before the run: the offset of each block under an allocator that has no
// headers, does not know later requests, and spends no time on searching during the run.
//
// Address-ordered first fit over 16-byte granules, which Wilson et al. (1995) found hard to beat.
// The free ranges (`gaps`) are a treap by address, in which each node has the longest gap of its
// subtree. Every operation takes O(log n) expected time.
#pragma once

#include <stdbool.h>
#include <stdint.h>

typedef struct placement placement;

// Makes an empty range from offset `start` on for at most `blocks_max` blocks at a time (and so at
// most one gap more). Returns NULL if out of memory.
placement *placement_new(uint32_t start, uint32_t blocks_max);
void placement_free(placement *placement);

// Takes `size` bytes at the lowest offset where they fit with this alignment. Returns the offset,
// or 0 if they do not fit below 2^32.
uint32_t placement_take(placement *placement, uint32_t size, uint32_t alignment);

// Frees a block; `size` is the size it was taken or last resized with.
void placement_give(placement *placement, uint32_t offset, uint32_t size);

// Resizes a block in place. Returns false with the block unchanged if the gap behind it is too
// small.
bool placement_resize(placement *placement, uint32_t offset, uint32_t size, uint32_t new_size);

// Returns the highest end of a block so far.
uint64_t placement_end(const placement *placement);
