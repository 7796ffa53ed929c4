// Statistics of a trace.
#pragma once

#include "corpus/trace/trace.h"

#include <jansson.h>

enum { TRACE_STAT_SIZES = 33, TRACE_STAT_ALIGNMENTS = 32 };

// Blocks are those of a, z and b, with the sizes asked for. A buffer's block is freed with its last
// reference (corpus/trace/buffer_model.h).
typedef struct trace_stat {
    uint64_t verbs[TRACE_VERBS];
    uint64_t operations, blocks;
    uint32_t lanes, memories;
    uint64_t total_bytes; // of a, z and b, and the growth by r
    uint64_t peak_live_bytes, peak_live_blocks;
    uint64_t sizes[TRACE_STAT_SIZES];           // when allocated: 0, 1, 2 … 3, 4 … 7, …
    uint64_t alignments[TRACE_STAT_ALIGNMENTS]; // by logarithm
    uint64_t blocks_to_end;                     // live at the exit; 0 without an exit
    uint64_t lifetime_median_operations, lifetime_90th_operations; // of the others
    // Of buffers.
    uint64_t buffers, references, views, tokens;
    uint64_t peak_live_buffers, peak_references;
    uint64_t collected, refused;                         // tokens; views and copies
    uint64_t lag_median_operations, lag_90th_operations; // from a token's c to its d
    uint64_t peak_waiting_tokens;                        // collected and not yet drained
} trace_stat;

// Returns false if out of memory. O(n log n).
bool trace_stat_take(const trace *trace, trace_stat *stat);
// Prints at most 80 columns.
void trace_stat_print(const trace_stat *stat, FILE *stream);
// Returns NULL if out of memory.
json_t *trace_stat_json(const trace_stat *stat);
