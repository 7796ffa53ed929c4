// The explorer's program, linmem-explorer, which was built beside this one.
#pragma once

#include <jansson.h>

// Runs it with these arguments, which end with NULL. Returns what it writes to descriptor 3, a new
// reference; NULL: `failure` (of 100 bytes) says why. Several may run at a time.
json_t *explorer_program_run(const char *const *arguments, char *failure);
