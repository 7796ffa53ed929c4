// The verb reproduce: plays an input or a trace, and writes each finding as a small trace, a
// C program and, with --keep, a regression.
#pragma once

#include "cli/verb.h"

exit_status reproduce_command(int argc, char **argv);
