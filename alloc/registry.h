// All strategies, each compiled at every check level, from strategies.def.
#pragma once

#include "alloc/allocator.h"

enum { LM_CHECK_LEVELS = 3 };

size_t lm_strategy_count(void);

// The strategy at index < lm_strategy_count(), compiled at check level 0, 1 or 2.
const lm_allocator *lm_strategy_at(size_t index, int check_level);

// The strategy of that name, or NULL.
const lm_allocator *lm_strategy_named(const char *name, int check_level);

// What is wrong with the table of a strategy, as far as a table shows: a function that is missing,
// a capability without its functions or functions without their capability, a name that is not the
// registry's. Returns `fault`, one line, or NULL if nothing is. (Whether allocate and free take a
// bounded number of steps, as LM_CONSTANT_TIME states, is counted by steps_test and by the oracle's
// law `steps`. Whether threads may call at once, as LM_SHARES_THREADS states, is tried by the
// conformance suite, and by `compare --threads`, which verifies the lanes at once before it times.)
enum { LM_FAULT_BYTES = 160 };
const char *lm_table_fault(const lm_allocator *table, const char *name, int check_level,
                           char *fault);

// The first fault of all strategies' tables, at all check levels, or NULL. Every program that plays
// strategies asks it first: a table with a fault would be called through NULL.
const char *lm_registry_fault(char *fault);
