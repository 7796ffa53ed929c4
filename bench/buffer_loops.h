// The loops that buffers_benchmark.cc times, in C because alloc/buffers/buffer.h is not C++.
#pragma once

#include <stdbool.h>
#include <stdint.h>

typedef struct buffer_set buffer_set;

// Makes a buffer table on one memory, with `buffers` (a power of two up to 1024) live buffers of 64
// bytes, allocated by the strategy. Aborts on a bad argument or if out of memory.
buffer_set *buffer_set_new(const char *strategy, bool atomic, uint32_t buffers);
void buffer_set_free(buffer_set *set);

// Each repeats its pair of calls `count` times, on the buffers in turn.
void loop_retain_release(buffer_set *set, uint64_t count);
void loop_bare_counter(buffer_set *set, uint64_t count);
void loop_bare_atomic(buffer_set *set, uint64_t count);

// Each repeats its pair of calls `count` times, with a buffer or a block of 64 bytes.
void loop_create_release(buffer_set *set, uint64_t count);
void loop_allocate_free(buffer_set *set, uint64_t count);

// The same in rounds: 64 are created, then these 64 are freed in the same order.
void loop_create_release_rounds(buffer_set *set, uint64_t count);
void loop_allocate_free_rounds(buffer_set *set, uint64_t count);
