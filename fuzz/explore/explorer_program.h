// The explorer's program, linmem-explorer, which was built beside this one.
#pragma once

#include <jansson.h>

// Runs it with these arguments, ended by NULL. Returns the last line that it wrote to descriptor 3,
// a new reference, or NULL if it wrote nothing. If it did not finish, `failure` (of 100 bytes) says
// why, else it is empty. Several may run at a time.
json_t *explorer_program_run(const char *const *arguments, char *failure);

// Reads and closes a descriptor. Returns its last complete line, or NULL if there is none.
json_t *explorer_program_read(int descriptor);
