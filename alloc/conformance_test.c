// The contract of alloc/allocator.h, as a suite that every strategy passes at every check level:
// conformance_test STRATEGY LEVEL. What a strategy says it cannot do is skipped, visibly. The parts
// stand in alloc/conformance/.
#include "alloc/conformance/subject.h"
#include "alloc/registry.h"

#include <stdlib.h>

int main(int argc, char **argv) {
    int level = argc == 3 ? atoi(argv[2]) : -1;
    if (level >= 0 && level < LM_CHECK_LEVELS) subject = lm_strategy_named(argv[1], level);
    char fault[LM_FAULT_BYTES];
    if (subject && lm_table_fault(subject, argv[1], level, fault)) {
        fprintf(stderr, "conformance_test: %s\n", fault);
        return 2;
    }
    if (subject)
        return !!(run_laws() + run_model() + run_hostile() + run_misuse() + run_corruption());
    fprintf(stderr, "usage: conformance_test STRATEGY LEVEL\n");
    return 2;
}
