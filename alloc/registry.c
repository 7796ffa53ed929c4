#include "alloc/registry.h"

#include <string.h>

#define STRATEGY(name)                                                                             \
    extern const lm_allocator lm_##name##_level0, lm_##name##_level1, lm_##name##_level2;
#include "alloc/strategies.def"
#undef STRATEGY

#define STRATEGY(name) {&lm_##name##_level0, &lm_##name##_level1, &lm_##name##_level2},
static const lm_allocator *const strategies[][LM_CHECK_LEVELS] = {
#include "alloc/strategies.def"
};
#undef STRATEGY

size_t lm_strategy_count(void) {
    return sizeof strategies / sizeof *strategies;
}

const lm_allocator *lm_strategy_at(size_t index, int check_level) {
    return strategies[index][check_level];
}

const lm_allocator *lm_strategy_named(const char *name, int check_level) {
    for (size_t i = 0; i < lm_strategy_count(); i++)
        if (strcmp(strategies[i][0]->name, name) == 0) return strategies[i][check_level];
    return NULL;
}
