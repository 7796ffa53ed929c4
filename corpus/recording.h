// Recordings: the raw streams that the preloaded recorder leaves, and the traces made of them.
#pragma once

#include "alloc/preload/recording.h"
#include "corpus/trace.h"

// The raw stream of one image, mapped.
typedef struct recording {
    const recording_header *header;
    const recording_record *records;
    uint64_t count; // records that lie in the file, unfinished ones included
    uint64_t bytes; // of the mapping
} recording;

// What a trace was made of, and what could not be kept as it was.
typedef struct recording_summary {
    uint64_t operations, blocks; // of the program; what closes the trace is not counted
    uint64_t peak_live_bytes, peak_live_blocks;
    uint64_t unfinished;         // records whose call never ended
    uint64_t unknown_frees;      // frees and resizes of blocks that nobody saw allocated
    uint64_t reused_addresses;   // blocks that came while one lived there: the old one is closed
    uint64_t large_blocks;       // larger than a trace can say: skipped
    uint64_t lowered_alignments; // larger than a trace can say: made the largest that it can
    uint64_t folded_threads;     // more than a trace has lanes: they share lanes
} recording_summary;

// Maps a stream. False: it is none, `error` says why.
bool recording_open(const char *path, recording *stream, trace_error *error);
void recording_close(recording *stream);

// Makes a trace of a stream. What is still live at the end is freed after the exit, in the order of
// allocation. The preamble says `title` (lines that the caller chose) and what the summary has to
// say of losses. False: `error` names the record, nothing is kept. O(records).
bool recording_to_trace(const recording *stream, const char *title, trace *made,
                        recording_summary *summary, trace_error *error);
