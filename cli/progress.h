// Progress on standard error, where that is a terminal; silence elsewhere. One line, redrawn in
// place at most ten times a second, never wider than the terminal.
#pragma once

#include <stddef.h>

typedef struct progress progress;

// `what` is being done, in `total` steps.
progress *progress_start(const char *what, size_t total);
// `done` steps are behind us; `now` names the present one. Shows the time that is left.
void progress_show(progress *progress, size_t done, const char *now);
// Clears the line.
void progress_end(progress *progress);
