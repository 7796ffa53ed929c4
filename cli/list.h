// The verb list: prints what exists of each kind (allocators, …). Other rooms provide the kinds.
#pragma once

#include "cli/verb.h"

#include <jansson.h>
#include <stddef.h>

typedef struct list_kind {
    const char *name;                  // as on the command line
    json_t *(*list)(void);             // an array of objects with `name`
    void (*print)(const json_t *list); // as text, in 80 columns
} list_kind;

// Lists the kinds named on the command line, or all.
exit_status list_command(const list_kind *kinds, size_t count, int argc, char **argv);
