// Allocators and workloads for `linmem list` (cli/list.h).
#pragma once

#include <jansson.h>

json_t *list_allocators(void);
void print_allocators(const json_t *list);
json_t *list_workloads(void);
void print_workloads(const json_t *list);
