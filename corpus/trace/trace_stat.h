// What a trace is like, in numbers.
#pragma once

#include "corpus/trace/trace.h"

#include <jansson.h>

enum { TRACE_STAT_SIZES = 33, TRACE_STAT_ALIGNMENTS = 32 };

// Blocks are what a, z and b begin, as they are asked for and resized; a buffer's ends with its
// last reference (corpus/trace/buffer_model.h).
typedef struct trace_stat {
    uint64_t verbs[TRACE_VERBS];
    uint64_t operations, blocks;
    uint32_t lanes, memories;
    uint64_t total_bytes; // of a, z and b, and what r adds
    uint64_t peak_live_bytes, peak_live_blocks;
    uint64_t sizes[TRACE_STAT_SIZES];           // as begun: 0, 1, 2 … 3, 4 … 7, …
    uint64_t alignments[TRACE_STAT_ALIGNMENTS]; // by logarithm
    uint64_t blocks_to_end;                     // live at the exit; without an exit, none
    uint64_t lifetime_median_operations, lifetime_90th_operations; // of the others
    // Of buffers.
    uint64_t buffers, references, views, tokens;
    uint64_t peak_live_buffers, peak_references;
    uint64_t collected, refused;                         // tokens; views and copies
    uint64_t lag_median_operations, lag_90th_operations; // from a token's c to its d
    uint64_t peak_waiting_tokens;                        // collected and not yet drained
} trace_stat;

// False: out of memory. O(n log n).
bool trace_stat_take(const trace *trace, trace_stat *stat);
// In at most 80 columns.
void trace_stat_print(const trace_stat *stat, FILE *stream);
// NULL: out of memory.
json_t *trace_stat_json(const trace_stat *stat);
