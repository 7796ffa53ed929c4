// results.json: the results of a comparison. Later versions may add fields but never rename one.
#pragma once

#include "bench/comparison.h"

#include <jansson.h>

// Returns the whole document. `command` is the command line. Of several comparisons, one for each
// engine, the context is that of the first, and "engines" has the context of each. `with_engines`:
// write "engines" for one as well.
json_t *results_json(const comparison *comparisons, size_t count, bool with_engines,
                     const char *command);

// Returns an estimate of the file's size in bytes, on the high side.
size_t results_bytes_about(const comparison *comparison);
