// A model of the buffer verbs of a trace (corpus/trace/trace.h): which one frees which buffer.
//
// It is independent of alloc/buffers/buffer.h, so that the two can be compared, and has no memory:
// a buffer is a row of a table with its reference count, and is freed when the count reaches 0.
#pragma once

#include "corpus/trace/trace.h"

#define BUFFER_MODEL_NONE UINT32_MAX

typedef struct model_buffer {
    uint32_t memory, size, alignment;
    uint32_t references; // 0: freed, or not yet created
} model_buffer;

typedef struct model_reference {
    uint32_t buffer; // BUFFER_MODEL_NONE: the reference is empty
    uint32_t owner;
    bool view;
    uint32_t kind, offset, length; // of a view
} model_reference;

typedef struct buffer_model {
    model_buffer *buffers;       // by number, in the order of creation
    uint32_t buffer_count;       // the size of `buffers`
    uint32_t begun;              // how many were created
    model_reference *references; // by number
    uint32_t *tokens;            // by number: the attached reference
    uint32_t *queue;             // the enqueued tokens, first to last
    uint32_t queue_first, queue_end;
    uint32_t owner; // the acting owner
    uint64_t live_buffers, live_bytes;
    // Of the last operation:
    uint32_t *died; // the freed buffers, in order
    uint32_t died_count;
    uint32_t drained;  // tokens
    uint32_t released; // references, by a drain; tokens of empty references have none
} buffer_model;

// The number of each that a trace creates at most.
typedef struct buffer_limits {
    uint32_t buffers, references, tokens, blocks;
} buffer_limits;

buffer_limits buffer_limits_of(const trace *trace);

// Allocates a model for any trace within the limits. Returns false if out of memory; there is then
// nothing to free.
bool buffer_model_create(buffer_model *model, const buffer_limits *limits);
void buffer_model_end(buffer_model *model);

// Resets the model for another trace within its limits. O(1).
void buffer_model_restart(buffer_model *model);

// Creates a model for one trace. As buffer_model_create.
bool buffer_model_start(buffer_model *model, const trace *trace);

// Plays the next operation of the trace; operations on blocks do nothing. Returns false if it is
// refused; a reference that it begins is then empty. O(1); a drain O(its tokens).
bool buffer_model_play(buffer_model *model, const trace_operation *operation);

// Plays an operation that was out of memory: the reference that it begins is empty.
void buffer_model_fail(buffer_model *model, const trace_operation *operation);

// Returns the bytes of an element of a view kind; 1 for `bytes`.
uint32_t buffer_model_element(uint32_t kind);
