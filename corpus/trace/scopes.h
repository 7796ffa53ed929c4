// Which blocks end when: the block verbs of a trace (corpus/trace/trace.h), scopes and resets among
// them.
#pragma once

#include "corpus/trace/trace.h"

typedef struct scopes {
    uint32_t *depths; // by block: in which scope it lives, 1 the outermost; 0: it does not
    uint32_t *order;  // blocks, as they came into their scopes
    uint32_t *marks;  // by depth − 1: where its scope begins in `order`
    uint32_t depth, entered;
    // Of the last operation: blocks that it ended, the newest first.
    uint32_t *ended;
    uint32_t ended_count;
} scopes;

// A record of the trace's blocks before its first operation. False: out of memory, nothing is kept.
bool scopes_begin(scopes *scopes, const trace *trace);
void scopes_end(scopes *scopes);

// Plays the trace's next operation; those not on blocks do nothing. O(1), amortised.
void scopes_play(scopes *scopes, const trace_operation *operation);
