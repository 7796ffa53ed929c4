// Law `reader` of traces: a trace that the reader accepts is the same after it is written and read
// back, as text and as binary; its binary form, if it is one, has no number of more than 32 bits;
// the message about any other input is one line.
#pragma once

#include "corpus/trace/trace.h"

#include <stdio.h>

// The functions under test; trace_forms are the correct ones.
typedef struct trace_form_calls {
    bool (*parse)(const void *bytes, size_t count, trace *trace, trace_error *error);
    void (*print)(const trace *trace, FILE *stream);
    unsigned char *(*binary_form)(const trace *trace, size_t *count);
} trace_form_calls;

extern const trace_form_calls trace_forms;

// Reads the bytes and checks the law. Returns false if it is broken; `finding` (of 300 bytes) then
// says how. Sets `operations` to the trace's, 0 if it is not a trace. Aborts if out of memory.
bool trace_law_holds(const trace_form_calls *forms, const void *bytes, size_t count,
                     size_t *operations, char *finding);
