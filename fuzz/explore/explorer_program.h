// The explorer's program, linmem-explorer, which was built beside this one.
#pragma once

#include <jansson.h>

// Runs it with these arguments, which end with NULL. Returns the last that it has written to
// descriptor 3, a new reference, or NULL: it wrote nothing. Where it did not come to its end,
// `failure` (of 100 bytes) says why, else it is empty. Several may run at a time.
json_t *explorer_program_run(const char *const *arguments, char *failure);

// The last line of a descriptor, which is closed, that is whole; NULL: none is.
json_t *explorer_program_read(int descriptor);
