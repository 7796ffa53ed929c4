// A verb of the command: its name and its function.
#pragma once

#include <stdbool.h>

// A verb's exit status, which is the command's.
typedef enum exit_status {
    EXIT_PASSED = 0, // all checks passed
    EXIT_FAILED = 1, // a failure or a regression was found
    EXIT_USAGE = 2,  // wrong usage or bad input
} exit_status;

typedef struct verb {
    const char *name;
    const char *summary; // one line for --help
    // argv[0] is "linmem NAME", for messages.
    exit_status (*run)(int argc, char **argv);
    bool calls_strategies; // so lm_registry_fault is called before `run`
    bool needs_checkout;   // an installed linmem fails instead
} verb;
