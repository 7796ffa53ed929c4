// The stage: an allocator, its memory and a program, ready to be played pass after pass. The
// runner's inside, without Google Benchmark.
#pragma once

#include "bench/cell.h"

#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

// Sets the stage as the cell orders, with the program in PROGRAM_DESCRIPTOR. False: the outcome's
// failure says why. One stage a process.
bool stage_set(cell *cell);

// Plays a pass and closes it. Returns the nanoseconds of a play. The first pass is the cold one,
// whose memory is metered into the outcome.
double stage_pass(void);

// After the cold pass: lets the passes that follow play as often as gives them CELL_STEPS_MIN steps
// of the clock, where that can be done without closing the program between two plays.
void stage_fit_passes(void);

// Notes in the outcome which passes took less than that.
void stage_judge_passes(void);

// Plays once, verified, into the outcome's failure.
void stage_verify(void);

#ifdef __cplusplus
}
#endif
