// What a result was measured on: machine, system, compiler, commit. What can't be read is null.
#pragma once

#include <jansson.h>

// A new object; the caller adds what only it knows.
json_t *machine_context(void);
