// Who dies when: the buffer verbs of a trace (corpus/trace/trace.h), counted with plain tables.
//
// It knows nothing of alloc/buffers/buffer.h, so that it can be held against it, and no memory: a
// buffer is a row of a table with the number of its references, and dead when that is 0.
#pragma once

#include "corpus/trace/trace.h"

#define BUFFER_MODEL_NONE UINT32_MAX

typedef struct model_buffer {
    uint32_t memory, size, alignment;
    uint32_t references; // 0: dead, or not yet created
} model_buffer;

typedef struct model_reference {
    uint32_t buffer; // BUFFER_MODEL_NONE: the reference stands for nothing
    uint32_t owner;
    bool view;
    uint32_t kind, offset, length; // of a view
} model_reference;

typedef struct buffer_model {
    model_buffer *buffers; // numbered as they begin
    uint32_t buffer_count; // how many there may be
    uint32_t begun;
    model_reference *references; // by number
    uint32_t *tokens;            // by number: the reference attached
    uint32_t *queue;             // tokens that were collected, first to last
    uint32_t queue_first, queue_end;
    uint32_t owner; // who acts
    uint64_t live_buffers, live_bytes;
    // Of the last operation:
    uint32_t *died; // buffers, in the order of their deaths
    uint32_t died_count;
    uint32_t drained;  // tokens
    uint32_t released; // references, by a drain: a token that stood for nothing has none
} buffer_model;

// How many of each a trace may begin.
typedef struct buffer_limits {
    uint32_t buffers, references, tokens, blocks;
} buffer_limits;

buffer_limits buffer_limits_of(const trace *trace);

// Room for a model of any trace within the limits. False: out of memory, nothing is kept.
bool buffer_model_create(buffer_model *model, const buffer_limits *limits);
void buffer_model_end(buffer_model *model);

// Before the first operation of a trace, in the same room. O(1).
void buffer_model_restart(buffer_model *model);

// Both, for one trace.
bool buffer_model_start(buffer_model *model, const trace *trace);

// Plays the trace's next operation; those on blocks do nothing. False: it is refused, and what it
// begins stands for nothing. O(1), for a drain O(its tokens).
bool buffer_model_play(buffer_model *model, const trace_operation *operation);

// Instead, where memory was wanting for it: what the operation begins stands for nothing.
void buffer_model_fail(buffer_model *model, const trace_operation *operation);

// Bytes an element of a view's kind, 1 of `bytes`.
uint32_t buffer_model_element(uint32_t kind);
