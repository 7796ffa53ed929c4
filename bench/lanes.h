// The lanes of a program at once: a thread for each, which plays what the lane did. One set a
// process.
#pragma once

#include "corpus/replay/player.h"

// Starts the threads, which wait. They play as `player` does, each with a view of its memory, where
// it has one. False: errno says why.
bool lanes_start(const player *player);

// Plays a pass: the timed steps of all lanes. Returns the nanoseconds from the first begun to the
// last ended; the calls that failed are added to *failures.
double lanes_play(uint64_t *failures);
