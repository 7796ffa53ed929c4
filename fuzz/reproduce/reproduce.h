// Plays an input or a trace, shrinks each finding and writes it as a trace and as a C program; if a
// target's inputs are not operations, as the smallest input.
#pragma once

#include "cli/verb.h"

#include <stdbool.h>

enum { REPRODUCE_SHRINK_SECONDS = 120 };

typedef struct reproduction {
    const char *input;       // a trace, or bytes
    const char *target;      // NULL: what plays all of a trace; of bytes heap, or as they are named
    char *const *allocators; // names; NULL: all
    const char *directory;   // for the output
    const char *keep;        // the name of a regression, or NULL
    bool refuse;             // fails each growth, one after the other; for heaps
    unsigned shrink_seconds; // maximum for each finding; 0: until nothing more can be removed
} reproduction;

// Parses the value of --shrink-seconds.
unsigned reproduce_shrink_seconds(const char *text);

// Reports on standard output what was found and written. Bad input is bad usage (cli/options.h).
exit_status reproduce(const reproduction *wanted);

// Prints the fuzz targets' programs that would be run, one a line, so that ./linmem can build them
// first: those that exist, and those without which nothing can be played.
exit_status reproduce_programs(const reproduction *wanted);
