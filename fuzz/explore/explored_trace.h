// The preamble line of an explorer's trace: the allocator and how to replay it. Such a trace needs
// the explorer's geometry, so no other player can replay it.
#pragma once

#include "corpus/trace/trace.h"

enum { EXPLORED_NAME_BYTES = 40 };

typedef struct explored_by {
    char name[EXPLORED_NAME_BYTES]; // a strategy or "buffers:WORLD"
    int level;
    bool damage; // walk damaged heaps at the end
} explored_by;

// Prints the line, without "# ", to `size` bytes.
void explored_trace_print(const explored_by *by, char *line, size_t size);
// Returns false if the trace has no such line.
bool explored_trace_read(const trace *trace, explored_by *by);
