#include "fuzz/targets/target_program.h"

#include "cli/child.h"
#include "cli/text.h"
#include "fuzz/targets/targets.h"

#include <stdlib.h>
#include <string.h>

char *target_program(const char *target, const char *strategy) {
    char *build = child_beside("");
    for (int up = 0; up < 2; up++) // from build/bench/ to build
        if (strrchr(build, '/')) *strrchr(build, '/') = '\0';
    const fuzz_target *known = fuzz_target_named(target);
    bool one = known && !known->per_strategy;
    char *path = one ? text_format("%s/fuzz/%s", build, target)
                     : text_format("%s/fuzz/%s-%s", build, target, strategy);
    free(build);
    return path;
}
