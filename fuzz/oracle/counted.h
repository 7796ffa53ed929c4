// The strategies compiled at check level 0 with their steps counted (fuzz/oracle/steps.h).
#pragma once

#include "alloc/allocator.h"

// Returns the strategy of that name, or NULL.
const lm_allocator *counted_strategy_named(const char *name);
