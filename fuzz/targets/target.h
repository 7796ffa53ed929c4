// What every fuzz target shares: its options, its word on a finding, and what it counts.
//
// A target is a libFuzzer program. Its own options are written --name=value, which libFuzzer passes
// over:
//
//     --level=0|1       the check level that strategies play at; 1 where nothing is said
//     --walk-every=N    operations between two walks over the heap; 0: at the end only
//     --without=LAW,…   laws that are not held: what the others find without them
//     --tell            says each second how many inputs and operations were played so far
//     --calls=FILE      of buffers: writes the calls that an input comes to, as statements of C
//     --speed=FOLDER    plays the inputs there for some seconds, prints how fast, and exits
//     --play=FOLDER     plays the inputs there once, and exits
//
// A finding is one line on stderr, "linmem-fuzz: broken LAW: HOW", and an abort. At the end of a
// run, and before a finding, a line tells how many operations were played.
#pragma once

#include "fuzz/oracle/oracle.h"

typedef struct target_settings {
    int level;
    uint32_t walk_every, without;
    const char *speed, *play, *calls; // or NULL
    bool tells;
} target_settings;

extern target_settings target;

// Operations played so far: the target counts them.
extern uint64_t target_operations;

// From LLVMFuzzerInitialize: reads the options, and turns traps into findings. Exits with 2 where
// an option is wrong.
void target_begin(int argc, char **argv);

// At the end of LLVMFuzzerInitialize: with --speed or --play does that and exits, else nothing.
void target_measure(void);

// Whether a law is held: not where --without names it.
bool target_holds(oracle_law law);

_Noreturn void target_fail(oracle_law law, const char *how);

// Plays an input: the target's own. Where `trap` is not held, a trap ends it, and nothing is found.
void target_input(const uint8_t *bytes, size_t count);

// Declared here since no header of libFuzzer's does.
int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);
size_t LLVMFuzzerMutate(uint8_t *bytes, size_t count, size_t max);
size_t LLVMFuzzerCustomMutator(uint8_t *bytes, size_t count, size_t max, unsigned seed);
size_t LLVMFuzzerCustomCrossOver(const uint8_t *first, size_t first_count, const uint8_t *second,
                                 size_t second_count, uint8_t *bytes, size_t max, unsigned seed);
