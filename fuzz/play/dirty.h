// Which 4 KiB of memories were written to, so that they can be cleared without the system: page
// faults would cost more than all else that an input does.
//
// In fuzz targets the strategies tell each store (-fsanitize-coverage=trace-stores), and so do the
// library functions that they call; who else writes tells it himself. Elsewhere nothing is known.
#pragma once

#include "alloc/linear_memory.h"

enum { DIRTY_MEMORIES_MAX = 8, DIRTY_ZERO_BYTES_MAX = 1 << 22 };

// From here on the stores into this memory, too, are known: DIRTY_MEMORIES_MAX of them. It must be
// clean now, of LM_COMMIT_AHEAD, and have moved nowhere.
//
// It moves by copying what was written to, which stays behind as zeroes and under AddressSanitizer
// poisoned, until the memory comes back or is cleared. A store to a place that it left traps.
void dirty_watch(lm_memory *memory);

// No memory is watched any longer.
void dirty_watch_none(void);

// Bytes were written to.
void dirty_mark(const void *at, uint64_t bytes);

// Clears what was written to; where that is much, by giving it back to the system. False: that
// memory is not watched, and nothing is cleared.
bool dirty_clear(const lm_memory *memory);

// memset to zero, and memcpy between ranges that do not overlap, of what was written to only; in a
// range of a watched memory. False: it is none, and nothing is done.
bool dirty_zero(void *to, uint64_t bytes);
bool dirty_copy(void *to, const void *from, uint64_t bytes);

// Whether the first DIRTY_ZERO_BYTES_MAX of a range, which is 8-aligned, read as zero; of a
// watched memory it looks at what was written to only.
bool dirty_is_zero(const void *at, uint64_t bytes);
