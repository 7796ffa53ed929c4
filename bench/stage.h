// The inside of the runner, without Google Benchmark: an allocator, its memory and a replay, which
// it runs pass after pass.
#pragma once

#include "bench/cell.h"

#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

// Sets up what the cell's order asks for, with the replay in PROGRAM_DESCRIPTOR. Returns false and
// sets the outcome's `failure` if that fails. Called once in a process.
bool stage_set(cell *cell);

// Runs a pass, then frees its blocks. Returns the nanoseconds for each replay in the pass. The
// first pass is the cold one; its memory use is written to the outcome.
double stage_pass(void);

// Called after the cold pass: repeats the replay within each later pass until the pass takes at
// least CELL_STEPS_MIN steps of the clock, if the replay leaves no blocks to free in between.
void stage_fit_passes(void);

// Sets cold_short and warm_short in the outcome.
void stage_judge_passes(void);

// Runs the replay once, verified. Sets the outcome's `failure` if a check fails.
void stage_verify(void);

#ifdef __cplusplus
}
#endif
