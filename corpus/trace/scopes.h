// A model of the block verbs of a trace (corpus/trace/trace.h), scopes and resets included: which
// operation frees which blocks.
#pragma once

#include "corpus/trace/trace.h"

typedef struct scopes {
    uint32_t *depths; // by block: the depth of its scope, 1 for the outermost; 0: not live
    uint32_t *order;  // blocks, in the order in which they entered their scopes
    uint32_t *marks;  // by depth − 1: the start of the scope in `order`
    uint32_t depth, entered;
    // The blocks that the last operation freed, newest first.
    uint32_t *ended;
    uint32_t ended_count;
} scopes;

// Allocates a model for the trace. Returns false if out of memory; there is then nothing to free.
bool scopes_begin(scopes *scopes, const trace *trace);
void scopes_end(scopes *scopes);

// Plays the next operation of the trace; operations on buffers do nothing. O(1), amortised.
void scopes_play(scopes *scopes, const trace_operation *operation);
