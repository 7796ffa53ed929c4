// Writes a strategy, or the buffers, as one C file that needs no other.
//
// The file is alloc/export/strategy.c.in or buffers.c.in with its includes expanded: each source
// once, comments included, and alloc/export/linear_memory.h.in in place of alloc/linear_memory.h.
// The word NAME becomes the strategy's name, and a line "// @WORD@" what put_placeholder in
// export.c lists. The names of exported functions begin with the strategy's name, those of buffers
// with lm_.
#pragma once

#include <stdbool.h>
#include <stdio.h>

// Writes to `to` what `name`, a strategy of the registry or "buffers", needs. `sources` is the root
// of the source tree, `version` one line for the file's first comment. Returns false with errno set
// if a source cannot be read.
bool lm_export(FILE *to, const char *name, const char *sources, const char *version);
