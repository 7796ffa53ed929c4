// Two yardsticks behind the allocator's table. They are no strategies: neither could serve a
// program that it does not know. Their memory must be large enough from the start.
#pragma once

#include "alloc/allocator.h"

// One constant address for every block, and no work: what is left is the cost of the harness. It
// does not keep content (LM_HOLDS_CONTENT is not set).
extern const lm_allocator lm_floor;

// Blocks placed where a list says that was computed before the run: the cost of touching memory
// that is laid out well, and of nothing else. The list is a program's (corpus/replay/replay.h),
// which takes the lowest place that fits, without headers and without looking ahead. It bounds
// nothing: a strategy may take fewer pages. The bound is the peak of the live bytes.
extern const lm_allocator lm_ideal;

// Where the list starts: before every pass.
void lm_ideal_place(const uint32_t *placements);
