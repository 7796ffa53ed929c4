// Ctrl-C (and SIGTERM, SIGHUP): asked for, not died of.
#pragma once

#include <stdbool.h>

// From here on SIGINT, SIGTERM and SIGHUP (unless nohup ignores it) only set a flag; a second one
// ends the process at once.
void interrupt_catch(void);
bool interrupted(void);
