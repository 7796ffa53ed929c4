// The fuzz targets for the verb list (cli/list.h).
#pragma once

#include <jansson.h>

json_t *list_targets(void);
void print_targets(const json_t *list);
