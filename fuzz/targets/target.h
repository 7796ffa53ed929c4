// Shared by all fuzz targets: options, the report of a finding, and counters.
//
// A target is a libFuzzer program. Its own options have the form --name=value, which libFuzzer
// ignores:
//
//     --level=0|1       check level of the strategies (default: 1)
//     --walk-every=N    operations between two heap walks; 0: at the end only
//     --tell            prints each second the numbers of inputs and operations played
//     --speed=FOLDER    plays the inputs there for some seconds, prints the speed, and exits
//     --play=FOLDER     plays the inputs there once, counts no steps, and exits
//
// A finding is one line on stderr, "linmem-fuzz: broken LAW: HOW", and an abort. At the end of a
// run, and before a finding, a line says how many operations were played.
#pragma once

#include "alloc/conformance/oracle.h"

typedef struct target_settings {
    int level;
    uint32_t walk_every;
    const char *speed, *play; // or NULL
    bool tells;
} target_settings;

extern target_settings target;

// Operations played; counted by the target.
extern uint64_t target_operations;

// Called by LLVMFuzzerInitialize: reads the options and turns traps into findings. Exits with 2 if
// an option is wrong.
void target_begin(int argc, char **argv);

// Called at the end of LLVMFuzzerInitialize: carries out --speed or --play and exits; without them
// does nothing.
void target_measure(void);

_Noreturn void target_fail(law law, const char *how);

// Plays an input; each target defines it.
void target_input(const uint8_t *bytes, size_t count);

// Declared here because libFuzzer has no header for them.
int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);
size_t LLVMFuzzerMutate(uint8_t *bytes, size_t count, size_t max);
size_t LLVMFuzzerCustomMutator(uint8_t *bytes, size_t count, size_t max, unsigned seed);
size_t LLVMFuzzerCustomCrossOver(const uint8_t *first, size_t first_count, const uint8_t *second,
                                 size_t second_count, uint8_t *bytes, size_t max, unsigned seed);
