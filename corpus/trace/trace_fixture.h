// For tests: traces from text, and back.
#pragma once

#include "cli/test.h"
#include "corpus/trace/trace.h"

#define HEADER "linmem-trace 1\n"

static inline trace parse_bytes(const void *bytes, size_t count) {
    trace trace;
    trace_error error;
    if (!trace_parse(bytes, count, &trace, &error)) fail_msg("%s", error.text);
    return trace;
}
static inline trace parse(const char *text) {
    return parse_bytes(text, strlen(text));
}

// Returns the text form, which the caller frees.
static inline char *print(const trace *trace) {
    char *text;
    size_t count;
    FILE *stream = open_memstream(&text, &count);
    trace_print(trace, stream);
    fclose(stream);
    return text;
}

static inline void assert_prints(const trace *trace, const char *expected) {
    char *text = print(trace);
    assert_string_equal(text, expected);
    free(text);
}
