// Recordings: the log of what a command and all that it started did with their heaps, and the
// traces that are made of it.
#pragma once

#include "alloc/system/preload/recording.h"
#include "corpus/trace/trace.h"

#include <sys/types.h>

// A process: a program's image, from its start to its end or to the next exec; or the child of a
// fork.
typedef struct recording_process {
    bool known;       // it said what it is
    uint32_t parent;  // the number of the process that it was forked from; 0: an image
    uint64_t fork_at; // records before the fork: the parent's heap, which it began with a copy of
    pid_t pid;
    bool own_malloc; // the executable defines a malloc: nothing is recorded
    uint64_t calls;
    size_t text_length;
    char *text;              // "NAME\0PATH\0", an image's
    const char *name, *file; // the parent's where it was forked; "?" where they are not known
} recording_process;

typedef struct recording {
    const recording_record *records;
    uint64_t count, bytes; // bytes: of the mapping
    uint32_t *process_of;  // by thread, the process's number; 0: not known
    uint32_t threads;
    recording_process *processes; // by number, which is by order of start; from 1 on
    uint32_t processes_end;
    int cut_off; // the errno that ended the recording before the command, or 0
    uint32_t
        moved; // records that took a later position: they left an unfinished one and are not lost
} recording;

// What a trace was made of, and what could not be kept as it was.
typedef struct recording_summary {
    uint64_t calls;              // records that the operations come of
    uint64_t operations, blocks; // of the program; what closes the trace is not counted
    uint64_t peak_live_bytes, peak_live_blocks;
    uint64_t unfinished;         // resizes that never ended
    uint64_t lost;               // records that never ended, of this process or another
    uint64_t damaged;            // records that make no sense: a program wrote over them
    uint64_t unknown_frees;      // frees and resizes of blocks that nobody saw allocated
    uint64_t reused_addresses;   // blocks that came while one lived there: the old one is closed
    uint64_t large_blocks;       // larger than a trace can say: skipped
    uint64_t lowered_alignments; // larger than a trace can say: made the largest that it can
    uint64_t folded_threads;     // more than a trace has lanes: they share lanes
    uint64_t left_out;           // calls after the last one that the trace has room for
    int cut_off;                 // the recording's
} recording_summary;

// Maps a log and looks through it. Closes the descriptor in either case. False: `error` says why.
bool recording_open(int log, recording *recording, trace_error *error);
// Looks through `count` records: fills what is known of threads and processes.
bool recording_survey(recording *recording, trace_error *error);
// Unmaps the records: after that the log takes no more disk.
void recording_free_records(recording *recording);
void recording_close(recording *recording);

// What a trace may hold.
typedef struct recording_limits {
    uint64_t calls;      // of the process
    uint64_t operations; // of the trace, up to TRACE_OPERATIONS_MAX
} recording_limits;

// Makes a trace of a process. That of a fork's child begins with what its parent did until the
// fork, since its heap does. What comes after the limits is left out; what is still live at the end
// is freed after the exit, in the order of allocation. The preamble says `title` (lines that the
// caller chose) and what the summary has to say of losses. False: out of memory; nothing is kept.
// O(records).
bool recording_to_trace(const recording *recording, uint32_t process, const char *title,
                        const recording_limits *limits, trace *made, recording_summary *summary,
                        trace_error *error);

// Writes a line for each kind of loss.
void recording_describe_losses(const recording_summary *summary, FILE *stream);
