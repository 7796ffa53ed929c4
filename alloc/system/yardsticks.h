// Two reference points behind the allocator interface. They are not strategies, because neither can
// serve a program that is not known in advance. Their memory must be large enough from the start.
#pragma once

#include "alloc/allocator.h"

// Returns one constant address for every block and does no work, so it measures the cost of the
// harness. Blocks do not keep their content (LM_HOLDS_CONTENT is not set).
extern const lm_allocator lm_floor;

// Places each block at an offset that was computed before the run (corpus/replay/placement.h: first
// fit by address, without headers and without knowledge of later requests), so it measures the cost
// of accessing well-placed memory and nothing else. It is not a bound: a strategy may take fewer
// pages. The bound is the peak of the live bytes.
extern const lm_allocator lm_ideal;

// Sets the start of the list of offsets. Called before every pass.
void lm_ideal_place(const uint32_t *placements);
