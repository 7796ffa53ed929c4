#include "fuzz/explored_trace.h"

#include <string.h>

#define EXPLORED "explored: "

void explored_trace_print(const explored_by *by, char *line, size_t size) {
    snprintf(line, size, EXPLORED "%s, level %d", by->name, by->level);
}

bool explored_trace_read(const trace *trace, explored_by *by) {
    const char *line = strstr(trace->preamble, "# " EXPLORED);
    return line && sscanf(line, "# " EXPLORED "%39[^,], level %d", by->name, &by->level) == 2;
}
