// Runs the lanes of a replay concurrently, each in a thread of its own. One set of lanes for each
// process.
#pragma once

#include "corpus/replay/player.h"

// Starts the threads, which then wait. Each uses a copy of `player` and a view of its memory, if it
// has one. Returns false and sets errno on failure.
bool lanes_start(const player *player);

// Runs a pass, the timed steps of all lanes. Returns the nanoseconds from the common start to the
// end of the last lane. Adds the number of failed calls to *failures.
double lanes_run(uint64_t *failures);
