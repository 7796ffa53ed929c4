// The registry of strategies, from strategies.def: each is compiled at every check level.
//
// A program that calls a function below links every strategy. One that names tables, as
// lm_tlsf_level0, links only those.
#pragma once

#include "alloc/allocator.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { LM_CHECK_LEVELS = 3 };

#define STRATEGY(name)                                                                             \
    extern const lm_allocator lm_##name##_level0, lm_##name##_level1, lm_##name##_level2;
#include "alloc/strategies.def"
#undef STRATEGY

size_t lm_strategy_count(void);

// The strategy at index < lm_strategy_count(), compiled at check level 0, 1 or 2.
const lm_allocator *lm_strategy_at(size_t index, int check_level);

// The strategy of that name, or NULL if there is none.
const lm_allocator *lm_strategy_named(const char *name, int check_level);

// Checks the table of a strategy for what a table alone can show: a missing function, a capability
// without its functions or functions without their capability, a name other than the registry's.
// Returns `fault`, one line, or NULL if the table is good. (steps_test and the oracle's law `steps`
// check LM_CONSTANT_TIME; the conformance suite checks LM_SHARES_THREADS, and so does `compare
// --threads`, which verifies all lanes at once before it times them.)
enum { LM_FAULT_BYTES = 160 };
const char *lm_table_fault(const lm_allocator *table, const char *name, int check_level,
                           char *fault);

// Returns the first fault in any strategy's table at any check level, or NULL. Every program that
// calls strategies calls this first, because a faulty table may hold a NULL that would be called.
const char *lm_registry_fault(char *fault);

#ifdef __cplusplus
}
#endif
