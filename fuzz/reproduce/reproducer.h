// The reproducer: a C program that shows which law a trace breaks. The one of a heap needs only
// sources of alloc/: the trace becomes straight calls, with short versions of the oracle's checks
// (fuzz/reproduce/reproducer_heap.h). The one of buffers contains the trace and plays it by the
// player and the oracle of fuzzing (fuzz/reproduce/reproducer_buffers.h).
#pragma once

#include "fuzz/reproduce/trace_run.h"

// Returns the shell commands that compile the reproducer at `path` to `program`, run from the
// repository's root; NULL if out of memory. The program exits with 1 and says what is broken, or
// with 0. The caller frees the string.
char *reproducer_command(const trace_run *run, const char *path, const char *program);

// Whether there are reproducers for the run's target.
bool reproducer_is_known(const trace_run *run);

// Writes the program; its first lines say how it is compiled. Returns false and sets errno if it
// cannot be written.
bool reproducer_write(const trace_run *run, const trace *trace, const failure *failure,
                      const char *path);
