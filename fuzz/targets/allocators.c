#include "fuzz/targets/allocators.h"

#include "alloc/registry.h"
#include "cli/options.h"

#include <string.h>

char **allocators_read(char *text) {
    char **names = options_split(text);
    const char *known[lm_strategy_count()];
    for (size_t i = 0; i < lm_strategy_count(); i++)
        known[i] = lm_strategy_at(i, 0)->name;
    for (char **name = names; *name; name++)
        if (!lm_strategy_named(*name, 0))
            options_unknown("allocator", *name, known, lm_strategy_count());
    return names;
}

bool allocators_have(char *const *names, const char *name) {
    for (char *const *at = names; at && *at; at++)
        if (strcmp(*at, name) == 0) return true;
    return !names;
}
