// The score: fuzzes mutants and counts which are found, and by which oracle.
//
// A run is a target's program with the bug, an empty corpus, a seed and some seconds on one core.
// Its output says what it finds: "linmem-fuzz: broken LAW", a sanitizer's message or libFuzzer's.
// The program does not count reached and triggered, which could guide the fuzzer: another build
// counts them over the inputs that the runs kept and found.
//
// Instead of targets the explorer's program can be run (fuzz/explore/explorer/), which plays the
// same each time: one run of each mutant of what it knows, heaps and buffers. Both programs play at
// check level 1, so that the figures compare.
#pragma once

#include "fuzz/score/mutant_list.h"

#include <stdio.h>

typedef struct score score;

typedef struct score_options {
    const char *root; // the repository
    double seconds;   // maximum of a run
    unsigned seeds;   // 1 … seeds, a run each
    unsigned jobs;    // mutants at a time, each on one core
    size_t generated; // how many, of those that compile
    char **chosen;    // names of mutants; NULL: all named ones
    unsigned control; // seeds of the right code; 0: it is not run
    unsigned depth;   // to which the explorer is run, once, in place of targets; 0: it is not
    // Told what was measured so far, one at a time, each time that there is more; or NULL.
    void (*told)(const score *so_far, void *context);
    void *context;
} score_options;

// How one run ended.
typedef struct score_run {
    bool ran, found;
    char oracle[16]; // a law, or asan, ubsan, leak, hang, memory, crash
    char finding[120];
    uint64_t inputs; // of the explorer: moves
    double seconds;
} score_run;

typedef enum score_state {
    SCORE_WAITING,
    SCORE_MEASURED,  // all seeds
    SCORE_PARTLY,    // interrupted
    SCORE_SAME_CODE, // generated: the compiler sees no difference
    SCORE_NO_CODE,   // generated: it does not compile
    SCORE_FAILED,    // `error` says why
} score_state;

typedef struct score_entry {
    const mutant *mutant; // NULL: the right code
    char *allocator, *program;
    score_state state;
    bool done; // no worker has it any more
    bool reached, triggered;
    score_run *runs; // by seed
    unsigned run_count, found;
    char error[300];
} score_entry;

struct score {
    score_options options;
    score_entry *entries; // the control's last
    size_t count, named, generated;
    double seconds;
    bool interrupted;
};

// Takes the score, with progress on a terminal. Ctrl-C ends it with the results so far. Returns
// false with the reason in `error` (of 300 bytes) if nothing could be measured.
bool score_take(score *score, const score_options *options, const mutant_list *list, char *error);
void score_free(score *score);

// Whether what is run can play what the mutant changes: no fuzz target plays one that only a test
// should find; the explorer makes no wrong calls on heaps, and compares no strategies.
bool score_plays(const score_options *options, const mutant *mutant);

// Over an entry's runs, in which one that found nothing took longer, and more inputs, than any:
// the median; with an even number the upper one. Infinite where that is such a run.
double score_median_seconds(const score_entry *entry);
double score_median_inputs(const score_entry *entry);
// The oracle that most runs were ended by, or "none".
const char *score_oracle(const score_entry *entry);
// Whether the median is finite.
bool score_detected(const score_entry *entry);

// An array, in the order of the entries.
json_t *score_json(const score *score);
// What is slow or not detected first; then what it comes to.
void score_print(const score *score, FILE *stream);
// Whether the right code was silent, all could be built and every named one was detected; by the
// explorer not all need be, since what lies deeper than it goes is for the targets.
bool score_holds(const score *score);

// From a run's log; `run` has its inputs and, where something was found, by what.
void score_read_log(score_run *run, const char *log);
