// Reproducing: an input or a trace is played, and what it breaks is shrunk and written as a trace
// and as a standalone C program; or as the least input, where a target's inputs are no operations.
#pragma once

#include "cli/verb.h"

#include <stdbool.h>

typedef struct reproduction {
    const char *input;       // a trace by its name (.lmt, .lmt.zst), or bytes
    const char *target;      // NULL: what plays all of a trace; of bytes heap
    char *const *allocators; // names; NULL: all
    const char *directory;   // where all is written
    const char *keep;        // the name of a regression, or NULL
    bool refuse;             // each growth, one after the other; of heaps
} reproduction;

// Tells on standard output what was found and written. Bad input is bad usage (cli/options.h).
exit_status reproduce(const reproduction *wanted);
