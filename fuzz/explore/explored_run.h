// One run of the explorer's program for a score (fuzz/explore/explorer/linmem-explorer.c): what it
// writes to descriptor 3 becomes what a fuzz target's log would tell.
#pragma once

#include "cli/child.h"
#include "fuzz/score/score.h"

typedef struct explored_run {
    const char *program, *allocator, *folder; // logs go to the folder
    const char *counts; // file for what a mutant counts (fuzz/score/mutants/counts.c); NULL: none
    unsigned depth;
    double seconds; // it may take; longer is a hang
    int cpu;
} explored_run;

// Runs it, at the check level at which fuzz targets play and with growth refused. False: it was
// interrupted, or ended without a word; then `error` (of 300 bytes) says how, else it is empty.
bool explored_run_do(const explored_run *wanted, score_run *run, char *error);

// From the file with the result, the log, where a sanitizer speaks that the program is linked with,
// and how it ended. False: none tells anything.
bool explored_run_read(score_run *run, const char *result, const char *log, const child_end *end);
