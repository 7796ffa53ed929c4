// What `linmem compare` is asked for.
#pragma once

#include "bench/comparison.h"

typedef struct compare_options {
    comparison comparison; // contestants, workloads and profile filled in
    const char *directory; // where results.json and report.md go; NULL: a new one
} compare_options;

// Reads the command line. Does not return where it is wrong (one line, status 2).
void compare_options_read(compare_options *options, int argc, char **argv);
