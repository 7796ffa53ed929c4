// Law `reader` of traces: what the reader takes is the same again when it is written in text and in
// binary; why it takes nothing else is one line.
#pragma once

#include "corpus/trace/trace.h"

#include <stdio.h>

// What reads and writes; trace_forms are the right ones.
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
