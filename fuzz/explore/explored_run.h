// Runs linmem-explorer (fuzz/explore/explorer/linmem-explorer.c) on a mutant for a score.
#pragma once

#include "cli/child.h"
#include "fuzz/score/score.h"

typedef struct explored_run {
    const char *program, *allocator, *folder; // the folder is for logs
    const char *counts; // file for a mutant's counters (fuzz/score/mutants/counts.c), or NULL
    unsigned depth;
    double seconds; // time limit; longer is a hang
    int cpu;
} explored_run;

// Runs the explorer at check level 1 with failing growths. Returns false if it was interrupted or
// gave no result; `error` (of 300 bytes) then says why, and is empty if it was interrupted.
bool explored_run_do(const explored_run *wanted, score_run *run, char *error);

// Reads a run's result from the result file, the log (for a sanitizer's message) and the exit
// status. Returns false if there is none.
bool explored_run_read(score_run *run, const char *result, const char *log, const child_end *end);
