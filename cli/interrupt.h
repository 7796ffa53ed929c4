// Ctrl-C, SIGTERM and SIGHUP set a flag instead of ending the process.
#pragma once

#include <stdbool.h>

// From this call on, the first SIGINT, SIGTERM or SIGHUP (unless nohup ignores it) only sets the
// flag; a second one ends the process at once.
void interrupt_catch(void);
bool interrupted(void);
