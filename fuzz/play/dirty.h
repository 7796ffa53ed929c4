// Tracks which 4 KiB pages of memories were written to, so that they can be zeroed without the
// system: page faults would cost more than everything else that an input does.
//
// In fuzz targets, stores of the strategies are reported by -fsanitize-coverage=trace-stores and by
// the library functions that they call; other code calls dirty_mark. Other programs track nothing.
#pragma once

#include "alloc/linear_memory.h"

enum { DIRTY_MEMORIES_MAX = 8, DIRTY_ZERO_BYTES_MAX = 1 << 22 };

// Starts to track a memory, one of up to DIRTY_MEMORIES_MAX, of fuzz/play/fuzz_memory.h. It must be
// all zero and never have moved.
void dirty_watch(lm_memory *memory);

// Stops tracking all memories.
void dirty_watch_none(void);

bool dirty_is_watched(const lm_memory *memory);

// Reports a store of `bytes` bytes.
void dirty_mark(const void *at, uint64_t bytes);

// Copies the dirty pages to the memory's next base. The old ones are zeroed, and poisoned under
// AddressSanitizer, until the memory moves back or is cleared. A store to an old place traps.
// Returns false, having copied nothing, if there are many, or if the memory is not tracked: the
// mapping is then to be moved.
bool dirty_move(const lm_memory *memory, unsigned char *to);

// Zeroes the dirty pages; if there are many, by giving them back to the system. Returns false,
// having done nothing, if the memory is not tracked.
bool dirty_clear(const lm_memory *memory);

// memset to zero, and memcpy between ranges that do not overlap, of the dirty pages only. Return
// false, having done nothing, if the range is not in a tracked memory.
bool dirty_zero(void *to, uint64_t bytes);
bool dirty_copy(void *to, const void *from, uint64_t bytes);

// Whether the first DIRTY_ZERO_BYTES_MAX bytes of a range, which is 8-aligned, are zero. Reads only
// the dirty pages of a tracked memory.
bool dirty_is_zero(const void *at, uint64_t bytes);
