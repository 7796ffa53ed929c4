// Runs linmem-explorer, which is built beside this program.
#pragma once

#include <jansson.h>

// Runs it with `arguments`, ended by NULL. Returns the last line that it wrote to descriptor 3, as
// a new reference, or NULL if there is none. If it did not finish, `failure` (of 100 bytes) says
// why, else it is empty. Thread-safe.
json_t *explorer_program_run(const char *const *arguments, char *failure);

// Reads a descriptor to its end and closes it. Returns the last complete line, or NULL.
json_t *explorer_program_read(int descriptor);
