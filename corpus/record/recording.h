// Recordings: the log of the heap calls of a command and of all processes that it started, and its
// conversion to traces.
#pragma once

#include "alloc/system/preload/recording.h"
#include "corpus/trace/trace.h"

#include <sys/types.h>

// A process: a program from its exec to its end or to the next exec, or the child of a fork.
typedef struct recording_process {
    bool known;       // its RECORDING_IMAGE or RECORDING_FORKED was seen
    uint32_t parent;  // the number of the process that forked it; 0: started by exec
    uint64_t fork_at; // the number of records before the fork, which copied the parent's heap
    pid_t pid;
    bool own_malloc; // the executable defines a malloc: nothing is recorded
    uint64_t calls;
    size_t text_length;
    char *text;              // "NAME\0PATH\0" if started by exec
    const char *name, *file; // the parent's if it was forked; "?" if unknown
} recording_process;

typedef struct recording {
    const recording_record *records;
    uint64_t count, bytes; // bytes: of the mapping
    uint32_t *process_of;  // by thread: the process's number; 0: unknown
    uint32_t threads;
    recording_process *processes; // by number, in order of start, from 1
    uint32_t processes_end;
    int cut_off; // the errno that ended the recording before the command, or 0
    uint32_t
        moved; // records that took a later position; each left an unfinished one that is no loss
} recording;

// The counts of a conversion, and its losses.
typedef struct recording_summary {
    uint64_t calls;              // heap calls converted
    uint64_t operations, blocks; // without those that close the trace
    uint64_t peak_live_bytes, peak_live_blocks;
    uint64_t unfinished;         // resizes that never ended
    uint64_t lost;               // records that never ended, of this process or another
    uint64_t damaged;            // invalid records, overwritten by a program
    uint64_t unknown_frees;      // frees and resizes of blocks with no recorded allocation
    uint64_t reused_addresses;   // blocks at the address of a live one, which is then freed
    uint64_t large_blocks;       // of 4 GiB and more: skipped
    uint64_t lowered_alignments; // above TRACE_ALIGNMENT_MAX, and reduced to it
    uint64_t folded_threads;     // above TRACE_LANES_MAX; they share lanes
    uint64_t left_out;           // later calls, omitted because a limit was reached
    int cut_off;                 // as in recording
} recording_summary;

// Maps and surveys a log. Always closes the descriptor. Returns false with `error` if that fails.
bool recording_open(int log, recording *recording, trace_error *error);
// Reads all records and fills in the threads and processes. Returns false with `error` if out of
// memory.
bool recording_survey(recording *recording, trace_error *error);
// Unmaps the records, which frees the log's disk space.
void recording_free_records(recording *recording);
void recording_close(recording *recording);

// The maximum size of a trace.
typedef struct recording_limits {
    uint64_t calls;      // of the process
    uint64_t operations; // of the trace, up to TRACE_OPERATIONS_MAX
} recording_limits;

// Makes a trace of a process. The trace of a forked child begins with its parent's calls up to the
// fork, because the child has a copy of that heap. Calls beyond the limits are left out; blocks
// that are live at the end are freed after the exit, in the order of allocation. The preamble has
// the lines of `title` and the losses. If memory is short, makes a shorter trace; returns false
// with `error` if even that fails. There is then nothing to free. O(records).
bool recording_to_trace(const recording *recording, uint32_t process, const char *title,
                        const recording_limits *limits, trace *made, recording_summary *summary,
                        trace_error *error);

// Writes a line for each kind of loss that occurred.
void recording_describe_losses(const recording_summary *summary, FILE *stream);
