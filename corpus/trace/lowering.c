#include "corpus/trace/lowering.h"
#include "corpus/trace/buffer_model.h"
#include "corpus/trace/scopes.h"

#include <stdlib.h>
#include <string.h>

typedef struct lowering {
    buffer_model model;
    scopes scopes;
    uint32_t *blocks, *buffers; // by number: their IDs in the lowered trace
    uint32_t begun;
    trace_builder *builder;
    trace_error *error;
} lowering;

bool lowering_is_needed(const trace *trace) {
    for (size_t i = 0; i < trace->count; i++)
        if (trace->operations[i].verb == TRACE_MEMORY || trace->operations[i].verb >= TRACE_BUFFER)
            return true;
    return false;
}

static bool lowering_append(lowering *l, trace_operation operation) {
    return trace_builder_append(l->builder, &operation, l->error);
}

static bool lowering_lower(lowering *l, const trace_operation *operation) {
    trace_operation same = *operation;
    buffer_model_play(&l->model, operation);
    for (uint32_t i = 0; i < l->model.died_count; i++)
        if (!lowering_append(l, (trace_operation){TRACE_FREE, {l->buffers[l->model.died[i]]}}))
            return false;
    scopes_play(&l->scopes, operation);
    for (uint32_t i = 0; i < l->scopes.ended_count; i++)
        if (!lowering_append(l, (trace_operation){TRACE_FREE, {l->blocks[l->scopes.ended[i]]}}))
            return false;
    switch (operation->verb) {
    case TRACE_BUFFER:
        same.verb = TRACE_ALLOCATE;
        same.argument[0] = l->buffers[l->model.begun - 1] = l->begun++;
        return lowering_append(l, same);
    case TRACE_ALLOCATE:
    case TRACE_ZEROED:
        l->blocks[operation->argument[0]] = l->begun++;
        __attribute__((fallthrough));
    case TRACE_RESIZE:
        same.argument[0] = l->blocks[operation->argument[0]];
        return lowering_append(l, same);
    case TRACE_LANE:
    case TRACE_EXIT:
    case TRACE_GROW:
    case TRACE_REFUSE:
    case TRACE_MOVE:
        return lowering_append(l, same);
    default:
        return true;
    }
}

static bool lowering_copy_preamble(trace_builder *builder, const char *preamble) {
    const char *end;
    for (; (end = strchr(preamble, '\n')) != NULL; preamble = end + 1) {
        char *line = strndup(preamble, (size_t)(end - preamble));
        if (!line) return false;
        trace_builder_comment(builder, line[1] == ' ' ? line + 2 : line + 1);
        free(line);
    }
    return true;
}

bool lowering_run(const trace *trace, struct trace *lowered, trace_error *error) {
    lowering l = {.builder = trace_builder_new(),
                  .blocks = calloc((size_t)trace->blocks + 1, sizeof *l.blocks),
                  .error = error};
    bool room = l.builder && l.blocks && buffer_model_start(&l.model, trace) &&
                scopes_begin(&l.scopes, trace);
    if (room) l.buffers = calloc((size_t)l.model.buffer_count + 1, sizeof *l.buffers);
    room = room && l.buffers && lowering_copy_preamble(l.builder, trace->preamble);
    if (!room) snprintf(error->text, sizeof error->text, "out of memory");
    bool good = room;
    for (size_t i = 0; good && i < trace->count; i++)
        good = lowering_lower(&l, &trace->operations[i]);
    if (good)
        good = trace_builder_finish(l.builder, lowered, error);
    else if (l.builder)
        trace_builder_abandon(l.builder);
    buffer_model_end(&l.model);
    scopes_end(&l.scopes);
    free(l.buffers);
    free(l.blocks);
    return good;
}
