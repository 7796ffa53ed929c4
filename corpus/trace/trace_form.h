// The text and binary forms of a trace, behind trace_read and trace_write: declarations shared by
// reader, writer and validator. For the trace_*.c files and their fuzz target.
#pragma once

#include "corpus/trace/trace.h"

// What an ID names. Each kind has its own space of IDs.
typedef enum trace_space {
    TRACE_SPACE_BLOCKS,
    TRACE_SPACE_REFERENCES,
    TRACE_SPACE_TOKENS,
    TRACE_SPACES,
    TRACE_SPACE_NONE = TRACE_SPACES,
} trace_space;

typedef enum trace_role {
    TRACE_ROLE_NONE,
    TRACE_ROLE_BEGIN,
    TRACE_ROLE_USE,
    TRACE_ROLE_END
} trace_role;

// The values of a kind of argument, and how they are written.
typedef struct trace_argument_rule {
    const char *name;
    trace_space space;
    trace_role role;
    uint32_t maximum;
    bool power_of_two; // binary: the logarithm is stored
    bool star;         // text: TRACE_COUNT_ALL is written *
    bool optional;     // text: may be left out and is then `left_out`
    uint32_t left_out;
    const char *const *words; // text: words[0 … maximum] instead of numbers
} trace_argument_rule;

extern const trace_argument_rule trace_argument_rules[TRACE_ARGUMENTS];

// As trace_builder_comment, for one line of `length` bytes.
void trace_builder_comment_line(trace_builder *builder, const char *line, size_t length);
// Appends a line that begins with #, as in a file. Returns false if it contains a NUL.
bool trace_builder_hash_line(trace_builder *builder, const char *line, size_t length);

#define TRACE_TEXT_MAGIC   "linmem-trace"
#define TRACE_BINARY_MAGIC "\x89lmt\r\n\x1a" // and a version byte

bool trace_text_parse(const char *bytes, size_t count, trace_builder *builder, trace_error *error);
bool trace_binary_parse(const unsigned char *bytes, size_t count, trace_builder *builder,
                        trace_error *error);

// Returns false and sets errno if that fails.
bool trace_text_write(const trace *trace, FILE *stream);
// Returns the binary form, which the caller frees, or NULL if out of memory.
unsigned char *trace_binary_form(const trace *trace, size_t *count);
// Returns the number of columns of a version of the binary form, or 0 if the version is unknown.
int trace_binary_columns(unsigned version);
