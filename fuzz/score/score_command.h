// linmem fuzz score: mutation testing of the fuzz targets.
#pragma once

#include "cli/verb.h"

#include <jansson.h>

// argv[0] is "linmem fuzz score".
exit_status score_command(int argc, char **argv);

// For `linmem list mutants`, the named ones: returns a new array; prints it as a table.
json_t *list_mutants(void);
void print_mutants(const json_t *list);
