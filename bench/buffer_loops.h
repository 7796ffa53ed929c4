// The loops that buffers_benchmark times: in C, as the layer's header is.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct buffer_world buffer_world;

// A buffer table on one memory that a strategy serves, with so many live buffers of 64 bytes, a
// power of two up to 1024. Ends the process where there is no memory.
buffer_world *buffer_world_start(const char *strategy, bool atomic, uint32_t buffers);
void buffer_world_end(buffer_world *world);

// Each does its pair `count` times, on all the buffers in turn.
void loop_retain_release(buffer_world *world, uint64_t count);
void loop_bare_counter(buffer_world *world, uint64_t count);
void loop_bare_atomic(buffer_world *world, uint64_t count);

// Each does its pair `count` times, with a buffer or a block of 64 bytes.
void loop_create_release(buffer_world *world, uint64_t count);
void loop_allocate_free(buffer_world *world, uint64_t count);

// The same in rounds of 64: so many are made, then as many ended, the first one first.
void loop_create_release_rounds(buffer_world *world, uint64_t count);
void loop_allocate_free_rounds(buffer_world *world, uint64_t count);

#ifdef __cplusplus
}
#endif
