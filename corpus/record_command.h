// The verb `record`: runs a program and keeps its heap calls as a trace.
#pragma once

#include "cli/verb.h"

// linmem record -o FILE [--process NAME] [--note TEXT] [--] COMMAND…
//
// The first image of COMMAND's own process is recorded, or the largest of those named NAME. Its
// standard streams and its terminal are its own; Ctrl-C is for it, and what was recorded is kept.
// Held: the trace is written. Broken: it is, but the command failed or the recording was cut off.
// Usage: nothing could be run or was seen; no file. The trace is written whole or not at all.
// Needs the recorder's library beside the program that calls this.
exit_status record_command(int argc, char **argv);
