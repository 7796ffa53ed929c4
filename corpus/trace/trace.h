// A trace: the operations of a program on its memories, in order.
//
// The same trace serves as a benchmark's workload, a fuzzer's reproducer and an explorer's
// counterexample. On disk it is text (`.lmt`, readable and diffable) or compact binary, compressed
// with zstd (`.lmt.zst`) or not; the reader recognizes the form by the content. All forms convert
// into each other without loss, except that IDs may be renumbered. trace_grammar is the only
// description of the operations: it drives the reader, the writer and the validator.
//
// In memory, every block, reference and token has a number that is assigned once: 0, 1, 2, … in the
// order of creation. In files, these are IDs, which are reused after their end to keep them small.
//
// The buffer verbs, with the same meaning for alloc/buffers/{buffer,view,finalizer}.h and for the
// independent model (corpus/trace/buffer_model.h). Memory N has an *owner* N, which is the acting
// owner after `m N`.
//
//     b REF SIZE [ALIGN]  creates a buffer in the acting owner's memory. REF is its first
//                         reference and belongs to the acting owner. The player sets its bytes.
//     + REF OF            REF is another reference to OF's buffer and belongs to the acting owner:
//                         a retain if OF belongs to it too, else a share.
//     - REF               REF's owner releases it, whatever the acting owner is. Releasing the last
//                         reference frees the buffer. Views are released in the same way.
//     v REF OF KIND OFFSET LEN
//                         REF is a view of OF's buffer and holds a reference, which belongs to the
//                         acting owner. OFFSET is in bytes from the buffer's start, even if OF is a
//                         view; LEN is in elements, for kind `bytes` in bytes. *Refused* if it
//                         reaches beyond the buffer or OFFSET is not a multiple of the element.
//     y TO FROM AT FROMAT LEN
//                         copies LEN elements between two views and converts them if the kinds
//                         differ; AT and FROMAT are in elements of the respective view. Refused if
//                         either is not a view, if the copy reaches beyond either, or if only one
//                         of them is of BigInts, or only one of `bytes`.
//     > REF MEMORY        transfers REF to the owner of MEMORY; the buffer stays in its memory.
//                         Invalid while REF is attached: its token would keep the old owner.
//     @ TOKEN REF         attaches TOKEN to REF. Until TOKEN ends, - @ > of REF are invalid; + v y
//                         may use REF, because the object still exists.
//     ~ TOKEN             detaches TOKEN and ends it; REF belongs to its owner again.
//     c TOKEN             the collector enqueues TOKEN. The names TOKEN and REF end, but the
//                         reference still counts. A trace cannot detach an enqueued token.
//     d [COUNT]           releases the references of the COUNT tokens that were enqueued first, or
//                         of all enqueued tokens, in that order. d 0 does nothing.
//
// Verbs for fuzzing only, some of which only some allocators support:
//
//     (  )                opens a scope; closes the scope opened last and frees all blocks that
//                         were allocated or resized in it
//     x                   a reset: frees all blocks and closes all scopes
//     h START PAGES MAX   the acting memory's heap starts at START, a multiple of 16, in a memory
//                         of PAGES pages that grows to at most MAX; only `m` and `h` may precede it
//     ! WRONG NUMBER OFFSET
//                         a wrong call, which must be detected and change nothing; WRONG is its
//                         name in wrong_calls.def. NUMBER is the number in memory of a block,
//                         reference or token, not an ID, and need not be live. Players that make
//                         no wrong calls skip it.
//
// A trace with scopes or resets has one heap: no buffers, and no memory other than 0.
//
// At the end of a trace all blocks are freed, all references released, and all tokens ended and
// drained. If an operation is refused or out of memory, the name that it begins is valid but empty:
// it refers to nothing, and operations on it have no effect, until it ends.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum {
    TRACE_ARGUMENTS_MAX = 5,
    TRACE_ALIGNMENT_DEFAULT = 16,
    TRACE_BUFFER_ALIGNMENT_MAX = 65536, // as in alloc/buffers/buffer.h
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

// The kind of an argument. BEGIN names a new object, USE a live one; END names a live one and ends
// it.
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
    TRACE_ALIGNMENT, // a power of two, 16 if left out
    TRACE_BUFFER_ALIGNMENT,
    TRACE_LANE_NUMBER,
    TRACE_MEMORY_NUMBER,
    TRACE_PAGES,
    TRACE_HEAP_START,     // a multiple of 16
    TRACE_COUNT_OR_ALL,   // a number or *
    TRACE_COUNT_OPTIONAL, // a number, all if left out
    TRACE_VIEW_KIND,      // i8 u8 c8 i16 …
    TRACE_WRONG_CALL,     // double_free interior …
    TRACE_NUMBER,         // any
    TRACE_ARGUMENTS
} trace_argument;

// The wrong calls of `!`, from wrong_calls.def.
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
extern const char *const trace_wrong_calls[WRONG_CALLS];    // their names
extern const bool trace_wrong_call_is_of_heap[WRONG_CALLS]; // else a buffer's

typedef struct trace_operation {
    uint32_t verb;                          // trace_verb
    uint32_t argument[TRACE_ARGUMENTS_MAX]; // by position, as in the grammar; alignments in bytes
} trace_operation;

typedef struct trace {
    char *preamble; // the comment lines before the first operation, "# …\n" each; "" if none
    trace_operation *operations;
    size_t count, capacity;
    uint32_t blocks, references, tokens; // the number of each created
    uint32_t lanes, memories;            // the highest number used, plus one
} trace;

// One line: what is wrong, with the line or byte, without the path, which the caller knows.
typedef struct trace_error {
    char text[200];
} trace_error;

// Fills `error` and returns false.
bool trace_fail(trace_error *error, const char *format, ...) __attribute__((format(printf, 2, 3)));

// Builds a trace, operation by operation, with IDs as in a file. The builder validates each one and
// numbers blocks, references and tokens. It is the only way to make a trace, so every trace in
// memory is valid.
typedef struct trace_builder trace_builder;

trace_builder *trace_builder_new(void);
// Returns false if the operation is invalid or if out of memory: `error` says why, without a line
// number, and the operation is not appended.
bool trace_builder_append(trace_builder *builder, const trace_operation *operation,
                          trace_error *error);
// Appends text to the preamble, with "# " before each of its lines.
void trace_builder_comment(trace_builder *builder, const char *text);
// Frees the builder and returns its trace, which the caller frees with trace_free. Returns false if
// anything is still open or if out of memory; the builder is freed nevertheless.
bool trace_builder_finish(trace_builder *builder, trace *trace, trace_error *error);
void trace_builder_abandon(trace_builder *builder);
// Appends an exit, unless there is one, and the operations that close the trace; nothing if nothing
// is open. Returns false with `error` if they cannot be appended.
bool trace_builder_close(trace_builder *builder, trace_error *error);

// Makes a valid trace of any operations: leaves out the invalid ones and closes what is open at the
// end. `comment` is the preamble, or NULL. Returns false with `error` if out of memory or if the
// closed trace would have more than TRACE_OPERATIONS_MAX operations.
bool trace_make(const trace_operation *operations, size_t count, const char *comment, trace *trace,
                trace_error *error);

// Reads a trace in any form, from a file ("-": standard input) or from bytes. Returns false with
// `error` if that fails; there is then nothing to free.
bool trace_read(const char *path, trace *trace, trace_error *error);
// The same; also returns the hash of the file's bytes (FNV-1a, 64 bits).
bool trace_read_hashed(const char *path, trace *trace, uint64_t *hash, trace_error *error);
bool trace_parse(const void *bytes, size_t count, trace *trace, trace_error *error);
// Returns whether the bytes begin as one of the forms does.
bool trace_is_form(const void *bytes, size_t count);

// Writes the whole file or nothing. The path's end selects the form: `.lmt` text, `.lmt.zst`
// compressed binary; "-" is standard output, as text. Any other end is an error.
bool trace_write(const trace *trace, const char *path, trace_error *error);
// Returns whether the path has such an end, or is "-".
bool trace_is_file_name(const char *path);
// Writes the text form.
void trace_print(const trace *trace, FILE *stream);

void trace_free(trace *trace);
