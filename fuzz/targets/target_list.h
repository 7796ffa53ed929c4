// What the verb list tells of fuzz targets (cli/list.h).
#pragma once

#include <jansson.h>

json_t *list_targets(void);
void print_targets(const json_t *list);
