// The context of a result: machine, system, compiler, commit. A field that can't be read is null.
#pragma once

#include <jansson.h>

// Returns a new object, to which the caller adds its own fields.
json_t *machine_context(void);

// Returns the commit of the sources as a new text: the checkout's now, or the one that was
// installed; null if it is unknown.
json_t *machine_commit(void);
