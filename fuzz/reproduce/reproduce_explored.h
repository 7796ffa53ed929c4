// Traces written by the explorer, which only the explorer's program can play.
#pragma once

#include "fuzz/explore/explored_trace.h"
#include "fuzz/reproduce/reproduce.h"

// If the input is an explorer's trace, plays it on the allocators asked for, or on the one that its
// preamble names, sets *status to the result of `reproduce` and returns true. It is not shrunk,
// because the explorer finds a shortest trace.
bool reproduce_explored(const reproduction *wanted, exit_status *status);

// The same without playing: sets *by to the preamble's content.
bool reproduce_explored_is(const reproduction *wanted, explored_by *by);
