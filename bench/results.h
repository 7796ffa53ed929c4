// results.json: the results of a comparison. Later versions may add fields but never rename one.
#pragma once

#include "bench/comparison.h"

#include <jansson.h>

// Returns the whole document. `command` is the command line.
json_t *results_json(const comparison *comparison, const char *command);

// Returns an estimate of the file's size in bytes, on the high side.
size_t results_bytes_about(const comparison *comparison);
