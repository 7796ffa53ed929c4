// The runner's side of a cell, without Google Benchmark: sets up an allocator, its memory and a
// replay, and runs the replay pass after pass.
#pragma once

#include "bench/cell.h"

#include <stdbool.h>

// Sets up what the cell requests, with the replay in REPLAY_DESCRIPTOR. Returns false and
// sets the outcome's `failure` if that fails. Called once in a process.
bool runner_set_up(cell *cell);

// Runs a pass, then frees its blocks. Returns the nanoseconds for each replay in the pass. The
// first pass is the cold one; its memory use is written to the outcome.
double runner_pass(void);

// Called after the cold pass: repeats the replay within each later pass until the pass takes at
// least CELL_STEPS_MIN steps of the clock, if the replay leaves no blocks to free in between.
void runner_fit_passes(void);

// Sets cold_short and warm_short in the outcome.
void runner_flag_short_passes(void);

// Runs the replay once, verified. Sets the outcome's `failure` if a check fails.
void runner_verify(void);
