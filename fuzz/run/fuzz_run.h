// Runs fuzz targets' programs in parallel for a given time and collects their statistics.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Time limit for one input; longer is a hang. The slowest that was not one took 3.0 s: 1,341
// operations on buddy, with resets of a heap of 4 GiB.
enum { FUZZ_HANG_SECONDS = 15 };

// A program, its inputs and its results.
typedef struct fuzz_unit {
    const char *target, *allocator; // NULL: the target plays several or none
    char *name, *program;
    char *corpus, *seeds; // folders: the corpus, which grows; the initial inputs, or NULL
    char *dictionary;
    size_t runs;
    double seconds; // of all its plays together
    uint64_t inputs, operations;
    uint64_t edges, kept; // covered edges; inputs kept for them
    bool ready;           // all initial inputs have been played
    char *finding;        // the input that broke a law, or NULL
    char broken[400];     // the message about it
} fuzz_unit;

typedef struct fuzz_run {
    fuzz_unit *units;
    size_t count;
    double seconds; // of the whole run
    unsigned jobs, seed;
    const char *findings; // folder
    double ran;           // actual duration
} fuzz_run;

// Plays all units in turn, `jobs` at a time, each once, or more often to keep all jobs busy; shows
// progress. A unit with a finding stops. If a unit's initial inputs take longer than its share, the
// later units get less, so that the run ends in time; it waits up to FUZZ_HANG_SECONDS more for an
// input that may hang. A unit with less than a second left is not run. Ends early if interrupted.
// Returns false and sets errno if a program could not be started.
bool fuzz_run_all(fuzz_run *run);
