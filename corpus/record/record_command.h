// The verb `record`: runs a program and writes its heap calls as a trace.
#pragma once

#include "cli/verb.h"

// linmem record -o FILE [--process NAME[:N]] [--limit N] [--note TEXT] [--] COMMAND…
//
// Records the process with the most calls among COMMAND's process, as of its last exec, and its
// forked descendants (among all processes if these made none), or the process that --process names.
// Does not return: exits with EXIT_USAGE if anything fails before COMMAND runs. After a COMMAND
// that succeeded, exits with EXIT_FAILED if the trace could not be written, or with EXIT_USAGE if
// --process names no recorded process; else ends as COMMAND ended. The trace is written whole or
// not at all. The recorder's library must be in the folder of this executable.
exit_status record_command(int argc, char **argv);
