// The strategies as the explorer plays them: at its geometry, at two check levels, and with a word
// on what in their heaps is dead.
#pragma once

#include "alloc/allocator.h"
#include "fuzz/explore/explorer/image.h"

typedef struct explored_strategy {
    const lm_allocator *allocator;

    // Fills with IMAGE_JUNK what the strategy has left behind in the heap and will not read again,
    // but leaves what counts as never written to: heaps that behave alike are then more often the
    // same bytes. NULL: nothing is known to be dead.
    void (*canonicalize)(lm_memory *memory);
} explored_strategy;

// The strategy of that name, at check level 0 or 1; or NULL.
const explored_strategy *explored_strategy_named(const char *name, int check_level);

// All names, in the order of the registry; ends with NULL.
extern const char *const explored_strategy_names[];
