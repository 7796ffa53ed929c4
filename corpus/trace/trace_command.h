// linmem trace: validates, describes, converts and generates traces.
#pragma once

#include "cli/verb.h"

// Every bad file gets one line on standard error, and then the status is EXIT_USAGE.
exit_status trace_command(int argc, char **argv);
