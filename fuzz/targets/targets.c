#include "fuzz/targets/targets.h"

#include <string.h>

const fuzz_target fuzz_targets[] = {
#define TARGET(name, per_strategy, seeded, summary) {#name, per_strategy, seeded, summary},
#include "fuzz/targets/targets.def"
#undef TARGET
};
const size_t fuzz_target_count = sizeof fuzz_targets / sizeof *fuzz_targets;

const fuzz_target *fuzz_target_named(const char *name) {
    for (size_t i = 0; i < fuzz_target_count; i++)
        if (strcmp(fuzz_targets[i].name, name) == 0) return &fuzz_targets[i];
    return NULL;
}
