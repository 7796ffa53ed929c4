#include "corpus/trace/buffer_model.h"

#include <stdlib.h>
#include <string.h>

enum { I64 = 9, U64, BYTES }; // among trace_view_kinds

static const uint32_t elements[TRACE_VIEW_KINDS] = {1, 1, 1, 2, 2, 4, 4, 4, 8, 8, 8, 1};

uint32_t buffer_model_element(uint32_t kind) {
    return elements[kind];
}

buffer_limits buffer_limits_of(const trace *trace) {
    buffer_limits limits = {0, trace->references, trace->tokens, trace->blocks};
    for (size_t i = 0; i < trace->count; i++)
        limits.buffers += trace->operations[i].verb == TRACE_BUFFER;
    return limits;
}

bool buffer_model_create(buffer_model *model, const buffer_limits *limits) {
    *model = (buffer_model){.buffer_count = limits->buffers};
    size_t buffers = (size_t)limits->buffers + 1, tokens = (size_t)limits->tokens + 1;
    model->buffers = calloc(buffers, sizeof *model->buffers);
    model->died = calloc(buffers, sizeof *model->died);
    model->references = calloc((size_t)limits->references + 1, sizeof *model->references);
    model->tokens = calloc(tokens, sizeof *model->tokens);
    model->queue = calloc(tokens, sizeof *model->queue);
    if (model->buffers && model->died && model->references && model->tokens && model->queue)
        return true;
    buffer_model_end(model);
    return false;
}

// The tables need no initial values: each row is written when its object begins.
void buffer_model_restart(buffer_model *model) {
    model->begun = model->owner = 0;
    model->queue_first = model->queue_end = 0;
    model->live_buffers = model->live_bytes = 0;
    model->died_count = model->drained = model->released = 0;
}

bool buffer_model_start(buffer_model *model, const trace *trace) {
    const buffer_limits limits = buffer_limits_of(trace);
    return buffer_model_create(model, &limits);
}

void buffer_model_end(buffer_model *model) {
    free(model->buffers);
    free(model->died);
    free(model->references);
    free(model->tokens);
    free(model->queue);
    *model = (buffer_model){0};
}

static void buffer_model_retain(buffer_model *model, uint32_t buffer) {
    if (buffer != BUFFER_MODEL_NONE) model->buffers[buffer].references++;
}

// Returns false if the reference was empty.
static bool buffer_model_release(buffer_model *model, uint32_t reference) {
    uint32_t buffer = model->references[reference].buffer;
    if (buffer == BUFFER_MODEL_NONE) return false;
    if (--model->buffers[buffer].references > 0) return true;
    model->live_buffers--;
    model->live_bytes -= model->buffers[buffer].size;
    model->died[model->died_count++] = buffer;
    return true;
}

static void buffer_model_create_buffer(buffer_model *model, const trace_operation *operation) {
    uint32_t buffer = model->begun++;
    model->buffers[buffer] = (model_buffer){.memory = model->owner,
                                            .size = operation->argument[1],
                                            .alignment = operation->argument[2],
                                            .references = 1};
    model->references[operation->argument[0]] =
        (model_reference){.buffer = buffer, .owner = model->owner};
    model->live_buffers++;
    model->live_bytes += operation->argument[1];
}

static bool buffer_model_view(buffer_model *model, const trace_operation *operation) {
    const uint32_t *argument = operation->argument;
    uint32_t buffer = model->references[argument[1]].buffer, element = elements[argument[2]];
    model_reference *made = &model->references[argument[0]];
    *made = (model_reference){.buffer = buffer,
                              .owner = model->owner,
                              .view = true,
                              .kind = argument[2],
                              .offset = argument[3],
                              .length = argument[4]};
    if (buffer == BUFFER_MODEL_NONE) return true;
    uint64_t end = argument[3] + (uint64_t)argument[4] * element;
    bool good = end <= model->buffers[buffer].size && argument[3] % element == 0;
    if (!good) made->buffer = BUFFER_MODEL_NONE;
    buffer_model_retain(model, made->buffer);
    return good;
}

static bool buffer_model_is_big(uint32_t kind) {
    return kind == I64 || kind == U64;
}

static bool buffer_model_copy(const buffer_model *model, const trace_operation *operation) {
    const uint32_t *argument = operation->argument;
    const model_reference *to = &model->references[argument[0]];
    const model_reference *from = &model->references[argument[1]];
    if (to->buffer == BUFFER_MODEL_NONE || from->buffer == BUFFER_MODEL_NONE) return true;
    if (!to->view || !from->view) return false;
    if (buffer_model_is_big(to->kind) != buffer_model_is_big(from->kind)) return false;
    if ((to->kind == BYTES) != (from->kind == BYTES)) return false;
    return (uint64_t)argument[2] + argument[4] <= to->length &&
           (uint64_t)argument[3] + argument[4] <= from->length;
}

static void buffer_model_drain(buffer_model *model, uint32_t count) {
    while (model->drained < count && model->queue_first < model->queue_end) {
        uint32_t token = model->queue[model->queue_first++];
        model->drained++;
        model->released += buffer_model_release(model, model->tokens[token]);
    }
}

bool buffer_model_play(buffer_model *model, const trace_operation *operation) {
    const uint32_t *argument = operation->argument;
    model_reference *references = model->references;
    model->died_count = model->drained = model->released = 0;
    switch (operation->verb) {
    case TRACE_MEMORY:
        model->owner = argument[0];
        return true;
    case TRACE_BUFFER:
        buffer_model_create_buffer(model, operation);
        return true;
    case TRACE_RETAIN:
        references[argument[0]] =
            (model_reference){.buffer = references[argument[1]].buffer, .owner = model->owner};
        buffer_model_retain(model, references[argument[0]].buffer);
        return true;
    case TRACE_RELEASE:
        buffer_model_release(model, argument[0]);
        return true;
    case TRACE_VIEW:
        return buffer_model_view(model, operation);
    case TRACE_COPY:
        return buffer_model_copy(model, operation);
    case TRACE_TRANSFER:
        references[argument[0]].owner = argument[1];
        return true;
    case TRACE_ATTACH:
        model->tokens[argument[0]] = argument[1];
        return true;
    case TRACE_COLLECT:
        model->queue[model->queue_end++] = argument[0];
        return true;
    case TRACE_DRAIN:
        buffer_model_drain(model, argument[0]);
        return true;
    default: // a detach changes no reference
        return true;
    }
}

void buffer_model_fail(buffer_model *model, const trace_operation *operation) {
    model->died_count = model->drained = model->released = 0;
    if (operation->verb == TRACE_BUFFER) model->begun++;
    model->references[operation->argument[0]].buffer = BUFFER_MODEL_NONE;
}
