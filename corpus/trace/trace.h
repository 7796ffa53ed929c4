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
//
// What the buffer verbs mean, on alloc/buffers/{buffer,view,finalizer}.h as in the independent
// model (corpus/trace/buffer_model.h). Memory N has an *owner* N, who acts after `m N`.
//
//     b REF SIZE [ALIGN]  a buffer in the acting owner's memory. REF is its first reference, the
//                         acting owner's. Its bytes are the player's to fill.
//     + REF OF            REF is one reference more to OF's buffer, the acting owner's: a retain
//                         where OF is his too, else a share.
//     - REF               REF's owner releases it, whoever acts. The last reference of a buffer
//                         takes the buffer with it. Views are released in the same way.
//     v REF OF KIND OFFSET LEN
//                         REF is a view of OF's buffer and holds a reference, the acting owner's.
//                         OFFSET is in bytes, from the buffer's start even where OF is a view; LEN
//                         in elements, of `bytes` in bytes. It is *refused* where it reaches beyond
//                         the buffer, or OFFSET is no multiple of the element.
//     y TO FROM AT FROMAT LEN
//                         copies LEN elements between two views, converted where kinds differ; AT
//                         and FROMAT are in each view's elements. Refused where either is no view,
//                         or reaches beyond it, or LEN is of BigInts here and of numbers there, or
//                         of `bytes` here and of elements there.
//     > REF MEMORY        REF is owner MEMORY's from here on; the buffer stays where it lies. Not
//                         while REF is attached, for its token would not know.
//     @ TOKEN REF         TOKEN takes the reference over: until it ends, - @ > of REF are invalid.
//                         REF still names the buffer (the object lives), for + v y.
//     ~ TOKEN             ends TOKEN; REF is its owner's again.
//     c TOKEN             the collector enqueues TOKEN; TOKEN and REF are names no more, but the
//                         reference counts on. What is enqueued cannot be detached by a trace.
//     d [COUNT]           releases the references of the COUNT tokens that were enqueued first, or
//                         of all there are, in that order. d 0 does nothing.
//
// What only fuzzing plays, and some allocators only can:
//
//     (  )                opens a scope; closes the one opened last, and all blocks that were
//                         allocated or resized in it end
//     x                   a reset: all blocks end, and all scopes are closed
//     h START PAGES MAX   the acting memory's heap starts at START, a multiple of 16, in a memory
//                         of PAGES pages that grows to MAX at most; before all but `m` and `h`
//     ! WRONG NUMBER OFFSET
//                         a wrong call, which is to be caught and to change nothing; WRONG is its
//                         row in wrong_calls.def. NUMBER is the number of a block, reference or
//                         token in memory, not its ID in a file, and what has it need not live.
//                         Who does not make wrong calls passes over it.
//
// A trace with scopes or resets has one heap: no buffers, and no memory but 0.
//
// At a trace's end all blocks are freed, all references released, all tokens ended and drained.
// What is refused, or fails for want of memory, begins all the same, as nothing: its name stands
// for no reference, and what is done with it has no effect, until it ends.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum {
    TRACE_ARGUMENTS_MAX = 5,
    TRACE_ALIGNMENT_DEFAULT = 16,
    TRACE_BUFFER_ALIGNMENT_MAX = 65536, // as alloc/buffers/buffer.h has it
    TRACE_LANES_MAX = 4096,
    TRACE_MEMORIES_MAX = 255,
    TRACE_VIEW_KINDS = 12,
    TRACE_OPERATIONS_MAX = 1 << 25, // 768 MiB in memory
};
#define TRACE_ALIGNMENT_MAX (UINT32_C(1) << 31)

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
    TRACE_OPEN,     // (
    TRACE_CLOSE,    // )
    TRACE_RESET,    // x
    TRACE_HEAP,     // h START PAGES MAX
    TRACE_WRONG,    // ! WRONG NUMBER OFFSET
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
    TRACE_BUFFER_ALIGNMENT,
    TRACE_LANE_NUMBER,
    TRACE_MEMORY_NUMBER,
    TRACE_PAGES,
    TRACE_HEAP_START,     // a multiple of 16
    TRACE_COUNT_OR_ALL,   // a number or *
    TRACE_COUNT_OPTIONAL, // a number, all where left out
    TRACE_VIEW_KIND,      // i8 u8 c8 i16 …
    TRACE_WRONG_CALL,     // double_free interior …
    TRACE_NUMBER,         // any
    TRACE_ARGUMENTS
} trace_argument;

// The wrong calls that `!` makes, from wrong_calls.def.
typedef enum trace_wrong_call {
#define WRONG_CALL(word, of_heap, call) WRONG_##word,
#include "corpus/trace/wrong_calls.def"
#undef WRONG_CALL
    WRONG_CALLS
} trace_wrong_call;

typedef struct trace_grammar_rule {
    char letter;
    const char *name;
    trace_argument arguments[TRACE_ARGUMENTS_MAX];
} trace_grammar_rule;

extern const trace_grammar_rule trace_grammar[TRACE_VERBS];
extern const char *const trace_view_kinds[TRACE_VIEW_KINDS];
extern const char *const trace_wrong_calls[WRONG_CALLS];    // their words
extern const bool trace_wrong_call_is_of_heap[WRONG_CALLS]; // else of buffers

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
// Appends an exit and what closes the trace; nothing where nothing is open. False: `error` says
// why.
bool trace_builder_close(trace_builder *builder, trace_error *error);

// A trace of operations that need not be one: what cannot stand where it stands is left out, and
// what is open at the end is closed. `comment` is its preamble, or NULL. False: out of memory.
bool trace_make(const trace_operation *operations, size_t count, const char *comment, trace *trace,
                trace_error *error);

// Reads a trace in any form, from a file ("-": standard input) or from bytes. False: `error` says
// why, nothing is kept.
bool trace_read(const char *path, trace *trace, trace_error *error);
// The same, with the hash of the file's bytes (FNV-1a, 64 bits).
bool trace_read_hashed(const char *path, trace *trace, uint64_t *hash, trace_error *error);
bool trace_parse(const void *bytes, size_t count, trace *trace, trace_error *error);
// Whether bytes begin as one of the forms does.
bool trace_is_form(const void *bytes, size_t count);

// Writes whole or not at all; the form follows the path's end: `.lmt` text, `.lmt.zst` binary and
// compressed; "-" is standard output, as text. Any other end is an error.
bool trace_write(const trace *trace, const char *path, trace_error *error);
// The text form.
void trace_print(const trace *trace, FILE *stream);

void trace_free(trace *trace);
