// The reproducer: a standalone C program that shows what a trace breaks, for those who keep what
// broke it. It needs nothing but sources of alloc/: the trace is straight calls, and what is held
// stands with them, in short (fuzz/reproduce/reproducer_heap.h, reproducer_buffers.h).
#pragma once

#include "fuzz/reproduce/trial.h"

// The commands that compile a reproducer at `path` to `program`, from the repository's top. The
// program exits with 1 and says what is broken, or with 0. To be freed; NULL: out of memory.
char *reproducer_command(const trial *trial, const char *path, const char *program);

// Whether there are reproducers for the trial's target.
bool reproducer_is_known(const trial *trial);

// Writes the program. `calls`: those of buffers, as they were recorded (trial_record); else NULL.
// False: with errno.
bool reproducer_write(const trial *trial, const trace *trace, const failure *failure, FILE *calls,
                      const char *path);

// Whether a reproducer takes recorded calls.
bool reproducer_takes_calls(const trial *trial);
