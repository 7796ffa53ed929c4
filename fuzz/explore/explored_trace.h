// What the preamble of an explorer's trace says of who plays it, and how: at the explorer's
// geometry, which no other player has.
#pragma once

#include "corpus/trace/trace.h"

enum { EXPLORED_NAME_BYTES = 40 };

typedef struct explored_by {
    char name[EXPLORED_NAME_BYTES]; // a strategy's, or "buffers:WORLD"
    int level;
    bool damage; // in the end the heap is walked with words of it damaged
} explored_by;

// The line that says it, as a comment's text; `size` bytes.
void explored_trace_print(const explored_by *by, char *line, size_t size);
// False: the trace is no explorer's.
bool explored_trace_read(const trace *trace, explored_by *by);
