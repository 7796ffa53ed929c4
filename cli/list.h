// The verb list: what there is, of kinds that other rooms know.
#pragma once

#include "cli/verb.h"

#include <jansson.h>
#include <stddef.h>

typedef struct list_kind {
    const char *name;                  // as it is asked for
    json_t *(*list)(void);             // an array of objects with `name`
    void (*print)(const json_t *list); // the same for people, in 80 columns
} list_kind;

// Lists all kinds, or those that are named.
exit_status list_command(const list_kind *kinds, size_t count, int argc, char **argv);
