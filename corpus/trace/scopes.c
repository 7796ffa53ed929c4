#include "corpus/trace/scopes.h"

#include <stdlib.h>

bool scopes_begin(scopes *scopes, const trace *trace) {
    size_t opened = 1, entered = 1;
    for (size_t i = 0; i < trace->count; i++) {
        opened += trace->operations[i].verb == TRACE_OPEN;
        entered += trace->operations[i].verb == TRACE_RESIZE;
    }
    entered += trace->blocks;
    *scopes = (struct scopes){.depth = 1};
    scopes->depths = calloc((size_t)trace->blocks + 1, sizeof *scopes->depths);
    scopes->order = calloc(entered, sizeof *scopes->order);
    scopes->marks = calloc(opened, sizeof *scopes->marks);
    scopes->ended = calloc(entered, sizeof *scopes->ended);
    if (scopes->depths && scopes->order && scopes->marks && scopes->ended) return true;
    scopes_end(scopes);
    return false;
}

void scopes_end(scopes *scopes) {
    free(scopes->depths);
    free(scopes->order);
    free(scopes->marks);
    free(scopes->ended);
    *scopes = (struct scopes){0};
}

// Moves a block into the innermost scope, unless it is there already.
static void scopes_enter(scopes *scopes, uint32_t block) {
    if (scopes->depths[block] == scopes->depth) return;
    scopes->depths[block] = scopes->depth;
    scopes->order[scopes->entered++] = block;
}

static void scopes_end_block(scopes *scopes, uint32_t block) {
    scopes->depths[block] = 0;
    scopes->ended[scopes->ended_count++] = block;
}

// Ends the live blocks of the innermost scope. The order also has blocks that were freed, or moved
// into another scope later.
static void scopes_end_scope(scopes *scopes) {
    uint32_t mark = scopes->marks[scopes->depth - 1];
    while (scopes->entered > mark) {
        uint32_t block = scopes->order[--scopes->entered];
        if (scopes->depths[block] == scopes->depth) scopes_end_block(scopes, block);
    }
}

void scopes_play(scopes *scopes, const trace_operation *operation) {
    scopes->ended_count = 0;
    switch (operation->verb) {
    case TRACE_ALLOCATE:
    case TRACE_ZEROED:
    case TRACE_RESIZE:
        scopes_enter(scopes, operation->argument[0]);
        break;
    case TRACE_FREE:
        scopes_end_block(scopes, operation->argument[0]);
        break;
    case TRACE_OPEN:
        scopes->marks[scopes->depth++] = scopes->entered;
        break;
    case TRACE_CLOSE:
        scopes_end_scope(scopes);
        scopes->depth--;
        break;
    case TRACE_RESET:
        for (scopes_end_scope(scopes); scopes->depth > 1; scopes_end_scope(scopes))
            scopes->depth--;
        break;
    default:
        break;
    }
}
