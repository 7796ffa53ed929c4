// Ctrl-C (and SIGTERM): asked for, not died of.
#pragma once

#include <stdbool.h>

// From here on SIGINT and SIGTERM only set a flag; a second one ends the process at once.
void interrupt_catch(void);
bool interrupted(void);
