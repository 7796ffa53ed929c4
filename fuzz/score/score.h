// The score: fuzzes mutants and counts which are found, and by which oracle.
//
// A run is one execution of a target's program with the bug: an empty corpus, a seed, a time limit,
// one core. Its output names the finding: "linmem-fuzz: broken LAW", or a message of a sanitizer or
// libFuzzer. This program does not count reached and triggered, because counting could guide the
// fuzzer: a second build counts them while it replays the run's corpus and finding.
//
// Alternatively the explorer runs each mutant of heaps and buffers (fuzz/explore/explorer/), once,
// because it is deterministic. Both run at check level 1, so that their figures can be compared.
#pragma once

#include "fuzz/score/mutant_list.h"

#include <stdio.h>

typedef struct score score;

typedef struct score_options {
    const char *root; // the repository
    double seconds;   // time limit of a run
    unsigned seeds;   // runs of each mutant, with the seeds 1 … seeds
    unsigned jobs;    // mutants in parallel, each on one core
    size_t generated; // number of generated mutants that compile
    char **chosen;    // names of mutants, ended by NULL; NULL: all named ones
    unsigned control; // runs of each program on the original code; 0: none
    unsigned depth;   // of the explorer, which then replaces the targets; 0: targets
    // Called with the results so far after each mutant, by one thread at a time; or NULL.
    void (*told)(const score *so_far, void *context);
    void *context;
} score_options;

// How one run ended.
typedef struct score_run {
    bool ran, found;
    char oracle[16]; // a law, or as in fuzz/run/finding.h, without an ASan error's kind
    char finding[200];
    uint64_t inputs; // of the explorer: moves
    double seconds;
} score_run;

typedef enum score_state {
    SCORE_WAITING,
    SCORE_MEASURED,  // with all seeds
    SCORE_PARTLY,    // interrupted
    SCORE_SAME_CODE, // generated: it compiles to the original code
    SCORE_NO_CODE,   // generated: it does not compile
    SCORE_FAILED,    // `error` says why
} score_state;

typedef struct score_entry {
    const mutant *mutant; // NULL: the original code
    char *allocator, *program;
    score_state state;
    bool done; // no worker uses it any more
    bool reached, triggered;
    score_run *runs; // by seed
    unsigned run_count, found;
    char error[300];
} score_entry;

struct score {
    score_options options;
    score_entry *entries; // those of the original code last
    size_t count, named, generated;
    double seconds;
    bool interrupted;
};

// Builds and runs the mutants, with progress on a terminal. Ctrl-C ends it with the results so far.
// Returns false with the reason in `error` (of 300 bytes) if nothing could be measured.
bool score_take(score *score, const score_options *options, const mutant_list *list, char *error);
void score_free(score *score);

// Whether the targets, or the explorer, can find the mutant: not if its target is a test, and for
// the explorer only if its target is heap or buffers.
bool score_plays(const score_options *options, const mutant *mutant);

// The median of an entry's runs, the upper one of an even number. A run that found nothing counts
// as infinite.
double score_median_seconds(const score_entry *entry);
double score_median_inputs(const score_entry *entry);
// The oracle that most runs found the mutant by, or "none".
const char *score_oracle(const score_entry *entry);
// Whether the median is finite.
bool score_detected(const score_entry *entry);

// An array, in the order of the entries.
json_t *score_json(const score *score);
// Prints the entries, slow and undetected ones first, and a summary.
void score_print(const score *score, FILE *stream);
// Whether nothing was found in the original code, all mutants were built and every named one was
// detected. The explorer need not detect all: a bug may need a longer sequence than its depth.
bool score_holds(const score *score);

// Reads a run's log: sets the run's number of inputs and its finding, if there is one.
void score_read_log(score_run *run, const char *log);
