// The loops that buffers_benchmark times, in C like the header of the buffers.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct buffer_world buffer_world;

// Makes a buffer table on one memory, with `buffers` (a power of two up to 1024) live buffers of 64
// bytes, allocated by the strategy. Aborts on a bad argument or if out of memory.
buffer_world *buffer_world_start(const char *strategy, bool atomic, uint32_t buffers);
void buffer_world_end(buffer_world *world);

// Each repeats its pair of calls `count` times, on the buffers in turn.
void loop_retain_release(buffer_world *world, uint64_t count);
void loop_bare_counter(buffer_world *world, uint64_t count);
void loop_bare_atomic(buffer_world *world, uint64_t count);

// Each repeats its pair of calls `count` times, with a buffer or a block of 64 bytes.
void loop_create_release(buffer_world *world, uint64_t count);
void loop_allocate_free(buffer_world *world, uint64_t count);

// The same in rounds: 64 are created, then these 64 are freed in the same order.
void loop_create_release_rounds(buffer_world *world, uint64_t count);
void loop_allocate_free_rounds(buffer_world *world, uint64_t count);

#ifdef __cplusplus
}
#endif
