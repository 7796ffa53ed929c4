#include "fuzz/explore/explored_trace.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define EXPLORED "explored: "
#define DAMAGED  ", and walked with each word damaged"

void explored_trace_print(const explored_by *by, char *line, size_t size) {
    snprintf(line, size, EXPLORED "%s, level %d%s", by->name, by->level, by->damage ? DAMAGED : "");
}

bool explored_trace_read(const trace *trace, explored_by *by) {
    const char *line = strstr(trace->preamble, "# " EXPLORED);
    int end = 0;
    bool is = line &&
              sscanf(line, "# " EXPLORED "%39[^,], level %1d%n", by->name, &by->level, &end) == 2 &&
              !isdigit((unsigned char)line[end]); // one digit cannot overflow
    by->damage = is && strncmp(line + end, DAMAGED, sizeof DAMAGED - 1) == 0;
    return is;
}
