// The strategy under test and memories for it: shared by all parts of the suite (model, laws,
// hostile, misuse).
#pragma once

#include "alloc/conformance/calls.h"
#include "alloc/conformance/require.h"
#include "cli/test.h"

#include <stdio.h>
#include <string.h>

// Whether the strategy under test states the capability. If not, a test of it calls skip(), which
// is reported.
bool can(lm_capability capability);

// Return a memory, and one in which the strategy has started. The caller destroys it. heap_start 0
// means 16.
lm_memory make(uint32_t pages, uint32_t pages_max, uint32_t heap_start);
lm_memory started(uint32_t pages, uint32_t pages_max);

// Walks the heap. Fails if validate finds the heap broken.
lm_census walk(lm_memory *memory);

// Fails if the heap is larger than heap_bytes_max and the pages that the memory had at the start.
// Checks nothing if heap_bytes_max is NULL.
void require_bound(uint64_t heap_bytes, const lm_demand *demand, uint32_t pages_begun);

// The table of a strategy of the registry, or of conformance/minimal.c; NULL if there is none.
const lm_allocator *tested_named(const char *name, int check_level);

// The maximum number of heap bytes of a block.
uint64_t bytes_max(size_t size, size_t alignment);

// The largest size whose block takes at most `bytes`.
size_t size_within(uint64_t bytes);

// Return a random number, and one below a bound. Any state is a valid seed.
uint64_t random_next(uint64_t *state);
uint32_t random_below(uint64_t *state, uint32_t bound);

// Run a part of the suite. Each returns the number of its tests that failed.
int run_model(void);
int run_laws(void);
int run_hostile(void);
int run_misuse(void);
int run_corruption(void);
