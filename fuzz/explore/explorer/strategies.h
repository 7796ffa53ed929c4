// The strategies at the explorer's geometry, at check levels 0 and 1, with functions that overwrite
// their dead memory.
#pragma once

#include "alloc/allocator.h"
#include "fuzz/explore/explorer/image.h"

typedef struct explored_strategy {
    const lm_allocator *allocator;

    // Overwrites the memory that the strategy has used and will not read before it writes it, so
    // that more heaps that behave alike have the same bytes. Keeps memory that counts as never
    // written. NULL: no such function.
    void (*canonicalize)(lm_memory *memory);
} explored_strategy;

// Returns the strategy of that name at check level 0 or 1, or NULL.
const explored_strategy *explored_strategy_named(const char *name, int check_level);

// In the registry's order, ended by NULL.
extern const char *const explored_strategy_names[];
