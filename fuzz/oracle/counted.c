#include "fuzz/oracle/counted.h"

#include <string.h>

#define STRATEGY(name) extern const lm_allocator lm_##name##_counted;
#include "alloc/strategies.def"
#undef STRATEGY

const lm_allocator *counted_strategy_named(const char *name) {
#define STRATEGY(name) &lm_##name##_counted,
    static const lm_allocator *const strategies[] = {
#include "alloc/strategies.def"
    };
#undef STRATEGY
    for (size_t i = 0; i < sizeof strategies / sizeof *strategies; i++)
        if (strcmp(strategies[i]->name, name) == 0) return strategies[i];
    return NULL;
}
