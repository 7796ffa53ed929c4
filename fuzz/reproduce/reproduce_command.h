// The verb reproduce: plays an input or a trace, and makes of what it breaks a small trace, a
// standalone C program and, where wanted, a regression.
#pragma once

#include "cli/verb.h"

exit_status reproduce_command(int argc, char **argv);
