// The command line of `linmem compare`.
#pragma once

#include "bench/comparison.h"

typedef struct compare_options {
    comparison *comparisons; // one for each engine: candidates, workloads and profile filled in
    size_t count;
    bool engines;          // --engine was given
    const char *directory; // for results.json and report.md; NULL: a new folder
} compare_options;

// Parses the command line. Exits with one line and status 2 if it is wrong.
void compare_options_read(compare_options *options, int argc, char **argv);
void compare_options_free(compare_options *options);
