// results.json: what a comparison measured, in the form that the design fixes. Fields are added,
// never renamed.
#pragma once

#include "bench/comparison.h"

#include <jansson.h>

// The whole document. `command` is what was typed.
json_t *results_json(const comparison *comparison, const char *command);

// About how many bytes it has as a file, rather too many.
size_t results_bytes_about(const comparison *comparison);
