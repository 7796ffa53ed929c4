// A workload: a trace, compiled, shared with the runners by a memory file.
#pragma once

#include "corpus/replay/replay.h"

// The workload that stands for all of them in a comparison's row: no other has its name.
#define WORKLOADS_MEAN "geometric mean"

typedef struct workload {
    char *name;             // printable: that of the file, without its folder and its end
    char *about;            // the first line of the trace's comment, printable
    char *path;             // of the file; "-" for standard input
    int program;            // the memory file's descriptor
    struct program summary; // its head
    uint64_t hash;          // of the trace file (FNV-1a, 64 bits)
} workload;

// The names of the shipped workloads: the traces in corpus/traces, sorted. Ends with NULL, to be
// freed with free() in one piece.
char **workload_names(size_t *count);

// Loads a shipped workload by its name, a trace file by its path (whatever holds a '/' or ends in
// .lmt or .lmt.zst), or the trace on standard input ("-"). Does not return where there is none or
// the trace is bad: one line, status 2. The file is read once: later changes are not seen.
void workload_load(workload *workload, const char *name_or_path);
void workload_unload(workload *workload);

// Calls the workload by its path: another one has its name.
void workload_name_by_path(workload *workload);
