#include "fuzz/targets/target_program.h"

#include "fuzz/targets/targets.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

char *target_program(const char *target, const char *strategy) {
    char self[PATH_MAX], *path;
    ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    self[length > 0 ? length : 0] = '\0';
    for (int up = 0; up < 2; up++) // from build/bench/linmem to build
        if (strrchr(self, '/')) *strrchr(self, '/') = '\0';
    const fuzz_target *known = fuzz_target_named(target);
    bool one = known && !known->per_strategy;
    int written = asprintf(&path, one ? "%s/fuzz/%s" : "%s/fuzz/%s-%s", self, target, strategy);
    return written < 0 ? NULL : path;
}
