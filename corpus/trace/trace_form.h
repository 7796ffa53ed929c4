// The forms of a trace, behind trace_read and trace_write: what reader, writer and validator share.
// For the trace_*.c files, and who fuzzes them.
#pragma once

#include "corpus/trace/trace.h"

// What IDs name. Each has a space of IDs of its own.
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

// What a kind of argument may be, and how it is written.
typedef struct trace_argument_rule {
    const char *name;
    trace_space space;
    trace_role role;
    uint32_t maximum;
    bool power_of_two; // binary: its logarithm
    bool star;         // text: TRACE_COUNT_ALL is *
    bool optional;     // text: may be left out, and is then `left_out`
    uint32_t left_out;
    const char *const *words; // text: words[0 … maximum] instead of numbers
} trace_argument_rule;

extern const trace_argument_rule trace_argument_rules[TRACE_ARGUMENTS];

// Fills `error` and returns false.
bool trace_fail(trace_error *error, const char *format, ...) __attribute__((format(printf, 2, 3)));

// As trace_builder_comment, for one line of `length` bytes.
void trace_builder_comment_line(trace_builder *builder, const char *line, size_t length);
// Takes a line that begins with #, as a file has it. False: it holds a NUL.
bool trace_builder_hash_line(trace_builder *builder, const char *line, size_t length);

#define TRACE_TEXT_MAGIC   "linmem-trace"
#define TRACE_BINARY_MAGIC "\x89lmt\r\n\x1a" // and a version byte

bool trace_text_parse(const char *bytes, size_t count, trace_builder *builder, trace_error *error);
bool trace_binary_parse(const unsigned char *bytes, size_t count, trace_builder *builder,
                        trace_error *error);

// False: with errno.
bool trace_text_write(const trace *trace, FILE *stream);
// The binary form, to be freed; NULL: out of memory.
unsigned char *trace_binary_form(const trace *trace, size_t *count);
// How many columns a version of the binary form has; 0 where it is not known.
int trace_binary_columns(unsigned version);
