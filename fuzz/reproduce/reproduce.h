// Reproducing: an input or a trace is played, and what it breaks is shrunk and written as a trace
// and as a standalone C program; or as the least input, where a target's inputs are no operations.
#pragma once

#include "cli/verb.h"

#include <stdbool.h>

enum { REPRODUCE_SHRINK_SECONDS = 120 };

typedef struct reproduction {
    const char *input;       // a trace, or bytes
    const char *target;      // NULL: what plays all of a trace; of bytes heap, or as they are named
    char *const *allocators; // names; NULL: all
    const char *directory;   // where all is written
    const char *keep;        // the name of a regression, or NULL
    bool refuse;             // each growth, one after the other; of heaps
    unsigned shrink_seconds; // of each finding, at most; 0: as long as it helps
} reproduction;

// The seconds of --shrink-seconds.
unsigned reproduce_shrink_seconds(const char *text);

// Tells on standard output what was found and written. Bad input is bad usage (cli/options.h).
exit_status reproduce(const reproduction *wanted);

// Prints which fuzz targets' programs would be run, for ./linmem, which builds them first: those
// that are there, and those without which nothing can be played. A line each.
exit_status reproduce_programs(const reproduction *wanted);
