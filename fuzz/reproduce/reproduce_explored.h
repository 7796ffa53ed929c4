// Traces that the explorer has found, which only the explorer's program can play.
#pragma once

#include "fuzz/explore/explored_trace.h"
#include "fuzz/reproduce/reproduce.h"

// Whether the input is one; it is then played, on the allocators that are wanted or on the one that
// its preamble names, and *status is what `reproduce` returns. It is the shortest there is.
bool reproduce_explored(const reproduction *wanted, exit_status *status);

// The same, and nothing is played: *by is what the preamble says.
bool reproduce_explored_is(const reproduction *wanted, explored_by *by);
