// The laws of alloc/conformance/laws.def, as a suite that every strategy passes at every check
// level: conformance_test STRATEGY LEVEL. What a strategy does not claim is skipped, visibly. The
// parts are in alloc/conformance/.
#include "alloc/conformance/tested.h"
#include "alloc/registry.h"

#include <stdlib.h>

int main(int argc, char **argv) {
    int level = argc == 3 ? atoi(argv[2]) : -1;
    bool valid = level >= 0 && level < LM_CHECK_LEVELS;
    const lm_allocator *allocator = valid ? tested_named(argv[1], level) : NULL;
    char fault[LM_FAULT_BYTES];
    if (!allocator) {
        fprintf(stderr, "usage: conformance_test STRATEGY LEVEL\n");
        return 2;
    }
    if (lm_table_fault(allocator, argv[1], level, fault)) {
        fprintf(stderr, "conformance_test: %s\n", fault);
        return 2;
    }
    tested_set(allocator);
    int failed = run_laws() + run_model() + run_hostile() + run_misuse() + run_corruption();
    return print_failures() + failed > 0;
}
