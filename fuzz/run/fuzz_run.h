// Runs fuzz targets' programs side by side for a while, and counts what they do.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Seconds that one input may take; longer is a hang.
enum { FUZZ_HANG_SECONDS = 5 };

// A program and what it works with; and what came of it.
typedef struct fuzz_unit {
    const char *target, *allocator; // NULL: the target plays several, or none
    char *name, *program;
    char *corpus, *seeds; // folders: inputs that are added to; those that it begins with, or NULL
    char *dictionary;     // or NULL
    size_t runs;
    double seconds; // of all runs together
    uint64_t inputs, operations;
    uint64_t edges, kept; // that were covered; inputs that are kept for it
    bool ready;           // a run has played all inputs that it began with
    char *finding;        // the input that broke something; NULL: none did
    char broken[400];     // what it said then
} fuzz_unit;

typedef struct fuzz_run {
    fuzz_unit *units;
    size_t count;
    double seconds; // on all jobs together, shared by the units
    unsigned jobs, seed;
    const char *findings; // folder
    double ran;           // how long it took
} fuzz_run;

// Runs all units in turn, as many at a time as there are jobs, each once or as often as it needs so
// that no job rests; shows progress. A unit that breaks something stops. What one takes beyond its
// share, to begin with, is taken from those after it: the run ends in time, but for an input that
// may hang, for which it waits FUZZ_HANG_SECONDS more. A unit for which no second is left is not
// run. Ends early when the user interrupts. False: with errno, a program could not be started.
bool fuzz_run_all(fuzz_run *run);
