// linmem fuzz score: mutation testing of the fuzz targets.
#pragma once

#include "cli/verb.h"

#include <jansson.h>

// argv[0] is "linmem fuzz score".
exit_status score_command(int argc, char **argv);

// For `linmem list mutants`: the named ones, and those that a score with --generated takes. A new
// array, printed for people by the other.
json_t *list_mutants(void);
void print_mutants(const json_t *list);
