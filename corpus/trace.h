// A trace: what a program does to its memories, one operation after the other.
//
// The same trace is a benchmark's workload, a fuzzer's reproducer and an explorer's counterexample.
// On disk it is text (`.lmt`, readable and diffable) or compact binary, zstd-compressed or not
// (`.lmt.zst`); reading tells the forms apart by their content. All convert without loss, up to the
// names of IDs. trace_grammar is the one description of the operations: reader, writer and
// validator are driven by it.
//
// In memory, a block, reference or token has a number that is assigned once: 0, 1, 2, … in the
// order of their beginnings. In files these IDs are reused after their end, which keeps them small.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum {
    TRACE_ARGUMENTS_MAX = 5,
    TRACE_ALIGNMENT_DEFAULT = 16,
    TRACE_ALIGNMENT_MAX = 65536,
    TRACE_LANES_MAX = 4096,
    TRACE_MEMORIES_MAX = 255,
    TRACE_VIEW_KINDS = 12,
};

#define TRACE_COUNT_ALL UINT32_MAX // `n *`, and `d` without a count

typedef enum trace_verb {
    TRACE_ALLOCATE, // a ID SIZE [ALIGN]
    TRACE_ZEROED,   // z ID SIZE [ALIGN]
    TRACE_RESIZE,   // r ID SIZE
    TRACE_FREE,     // f ID
    TRACE_LANE,     // t LANE
    TRACE_MEMORY,   // m MEMORY
    TRACE_EXIT,     // e
    TRACE_GROW,     // g PAGES
    TRACE_REFUSE,   // n COUNT
    TRACE_MOVE,     // w
    TRACE_BUFFER,   // b REF SIZE [ALIGN]
    TRACE_RETAIN,   // + REF OF
    TRACE_RELEASE,  // - REF
    TRACE_VIEW,     // v REF OF KIND OFFSET LEN
    TRACE_COPY,     // y TO FROM AT FROMAT LEN
    TRACE_TRANSFER, // > REF MEMORY
    TRACE_ATTACH,   // @ TOKEN REF
    TRACE_DETACH,   // ~ TOKEN
    TRACE_COLLECT,  // c TOKEN
    TRACE_DRAIN,    // d [COUNT]
    TRACE_VERBS
} trace_verb;

// The kind of an argument. A BEGIN names something new, a USE something live, an END ends it.
typedef enum trace_argument {
    TRACE_NONE,
    TRACE_BLOCK_BEGIN,
    TRACE_BLOCK_USE,
    TRACE_BLOCK_END,
    TRACE_REFERENCE_BEGIN,
    TRACE_REFERENCE_USE,
    TRACE_REFERENCE_END,
    TRACE_TOKEN_BEGIN,
    TRACE_TOKEN_USE,
    TRACE_TOKEN_END,
    TRACE_SIZE,      // bytes, up to 2^32 − 1
    TRACE_ALIGNMENT, // a power of two, 16 where left out
    TRACE_LANE_NUMBER,
    TRACE_MEMORY_NUMBER,
    TRACE_PAGES,
    TRACE_COUNT_OR_ALL,   // a number or *
    TRACE_COUNT_OPTIONAL, // a number, all where left out
    TRACE_VIEW_KIND,      // i8 u8 c8 i16 …
} trace_argument;

typedef struct trace_grammar_rule {
    char letter;
    const char *name;
    trace_argument arguments[TRACE_ARGUMENTS_MAX];
} trace_grammar_rule;

extern const trace_grammar_rule trace_grammar[TRACE_VERBS];
extern const char *const trace_view_kinds[TRACE_VIEW_KINDS];

typedef struct trace_operation {
    uint32_t verb;                          // trace_verb
    uint32_t argument[TRACE_ARGUMENTS_MAX]; // by position, as in the grammar; alignments in bytes
} trace_operation;

typedef struct trace {
    char *preamble; // the comment lines before the first operation, "# …\n" each; "" where none
    trace_operation *operations;
    size_t count, capacity;
    uint32_t blocks, references, tokens; // how many of each begin
    uint32_t lanes, memories;            // the highest number used, plus one
} trace;

// One line: what is wrong, with the line or byte. No path: the caller knows it.
typedef struct trace_error {
    char text[200];
} trace_error;

// Building: operations are appended one by one, named as in a file; the builder validates each,
// gives blocks, references and tokens their numbers, and appends it. This is the only way into a
// trace, so that every trace in memory is valid.
typedef struct trace_builder trace_builder;

trace_builder *trace_builder_new(void);
// False: `error` says what is wrong (without a line number), and the operation is not appended.
bool trace_builder_append(trace_builder *builder, const trace_operation *operation,
                          trace_error *error);
// Appends comment text to the preamble; the text's lines get "# " before them.
void trace_builder_comment(trace_builder *builder, const char *text);
// Ends the building: everything must be closed. On success the trace is the caller's, to be freed
// with trace_free. The builder is gone in either case.
bool trace_builder_finish(trace_builder *builder, trace *trace, trace_error *error);
void trace_builder_abandon(trace_builder *builder);

// Reads a trace in any form, from a file or from bytes. False: `error` says why, nothing is kept.
bool trace_read(const char *path, trace *trace, trace_error *error);
bool trace_parse(const void *bytes, size_t count, trace *trace, trace_error *error);

// Writes whole or not at all; the form follows the path's end: `.lmt` text, `.lmt.zst` binary and
// compressed. Any other end is an error.
bool trace_write(const trace *trace, const char *path, trace_error *error);
// The text form.
void trace_print(const trace *trace, FILE *stream);

void trace_free(trace *trace);
