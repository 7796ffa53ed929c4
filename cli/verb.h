// A verb of the command: its name, and what runs it.
#pragma once

#include <stdbool.h>

// How a verb ends, and with it the command.
typedef enum exit_status {
    EXIT_HELD = 0,   // everything held
    EXIT_BROKEN = 1, // a failure or a regression was found
    EXIT_USAGE = 2,  // wrong usage or bad input
} exit_status;

typedef struct verb {
    const char *name;
    const char *summary; // one line for --help
    // argv[0] is "linmem NAME", for messages.
    exit_status (*run)(int argc, char **argv);
    bool calls_strategies; // so their tables must be without a fault
} verb;
