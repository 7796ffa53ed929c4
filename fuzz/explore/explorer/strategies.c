#include "fuzz/explore/explorer/strategies.h"

#include "alloc/registry.h"

#include <string.h>

#define STRATEGY(name)                                                                             \
    extern const explored_strategy explored_##name##_level0, explored_##name##_level1;
#include "alloc/strategies.def"
#undef STRATEGY

#define STRATEGY(name) {&explored_##name##_level0, &explored_##name##_level1},
static const explored_strategy *const strategies[][2] = {
#include "alloc/strategies.def"
};
#undef STRATEGY

#define STRATEGY(name) #name,
const char *const explored_strategy_names[] = {
#include "alloc/strategies.def"
    NULL,
};
#undef STRATEGY

const explored_strategy *explored_strategy_named(const char *name, int check_level) {
    for (size_t i = 0; explored_strategy_names[i]; i++)
        if (strcmp(explored_strategy_names[i], name) == 0) return strategies[i][check_level];
    return NULL;
}

// Replaces the registry for allocators built on a strategy. Levels above 1 are compiled as 1.
const lm_allocator *lm_strategy_named(const char *name, int check_level) {
    const explored_strategy *strategy = explored_strategy_named(name, check_level > 0);
    return strategy ? strategy->allocator : NULL;
}
