// Minimising: replaces a target's seeds by a minimal set of inputs with the same coverage as seeds
// and corpora together.
#pragma once

#include "fuzz/run/fuzz_run.h"

// Minimises the seeds of every target among the units, which must include all programs of each
// target. The seeds are in FOLDER/TARGET; the old ones are moved to FOLDER/TARGET.old, which is
// replaced. Returns false if interrupted, or with the reason in `error` (of 300 bytes); the seeds
// of the target at which it stopped are then unchanged.
bool minimise(const fuzz_run *run, const char *folder, char *error);
