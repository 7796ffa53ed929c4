// The verb `record`: runs a program and keeps its heap calls as a trace.
#pragma once

#include "cli/verb.h"

// linmem record -o FILE [--process NAME[:N]] [--limit N] [--note TEXT] [--] COMMAND…
//
// The program that COMMAND's process became in the end is recorded, in that of its forked processes
// that made the most calls; or the process that --process names. Returns where something is wrong
// before COMMAND could run, or where it succeeded and the trace could not be written; otherwise it
// ends this process: with bad usage where --process names no program that was seen, else as COMMAND
// ended. The trace is written whole or not at all.
// Needs the recorder's library beside the program that calls this.
exit_status record_command(int argc, char **argv);
