// Minimising: a target's seeds become the least inputs that cover what seeds and corpora cover.
#pragma once

#include "fuzz/run/fuzz_run.h"

// Minimises the seeds of every target among the units, which hold all programs of each of these
// targets. `folder` is where a target's seeds are, FOLDER/TARGET; as they were before they are in
// FOLDER/TARGET.old, in place of what was there. False: interrupted, or `error` (of 300 bytes) says
// why; the seeds of the target at which it stopped are as they were.
bool minimise(const fuzz_run *run, const char *folder, char *error);
