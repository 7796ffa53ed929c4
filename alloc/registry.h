// All strategies, each compiled at every check level, from strategies.def.
#pragma once

#include "alloc/allocator.h"

enum { LM_CHECK_LEVELS = 3 };

size_t lm_strategy_count(void);

// The strategy at index < lm_strategy_count(), compiled at check level 0, 1 or 2.
const lm_allocator *lm_strategy_at(size_t index, int check_level);

// The strategy of that name, or NULL.
const lm_allocator *lm_strategy_named(const char *name, int check_level);
