// linmem trace: validates, describes, converts and generates traces.
#pragma once

#include "cli/verb.h"

// Prints one line to standard error for every bad file; the status is then EXIT_USAGE.
exit_status trace_command(int argc, char **argv);
