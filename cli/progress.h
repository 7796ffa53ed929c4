// Progress on standard error if that is a terminal, else nothing. One line, redrawn in place at
// most ten times a second, never wider than the terminal.
#pragma once

#include <stddef.h>

typedef struct progress progress;

// Starts the line. `what` names the work, which has `total` steps.
progress *progress_start(const char *what, size_t total);
// Shows that `done` steps are complete, the current step's name `now`, and the time left.
void progress_show(progress *progress, size_t done, const char *now);
// Clears the line.
void progress_end(progress *progress);
