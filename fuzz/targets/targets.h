// The fuzz targets, from targets.def.
#pragma once

#include <stdbool.h>
#include <stddef.h>

typedef struct fuzz_target {
    const char *name;
    bool per_strategy; // one program per strategy, NAME-STRATEGY; else one, NAME
    bool seeded;       // a score starts from its seeds, corpus/fuzz/NAME
    const char *summary;
} fuzz_target;

extern const fuzz_target fuzz_targets[];
extern const size_t fuzz_target_count;

// Returns the target of that name, or NULL.
const fuzz_target *fuzz_target_named(const char *name);
