// A workload: a trace, compiled to a replay that the runners share through a memory file.
#pragma once

#include "corpus/replay/replay.h"

// The workload name of the rows over all workloads. No other workload has it.
#define WORKLOADS_MEAN "geometric mean"

typedef struct workload {
    char *name;            // printable: the file's, without folder and extension
    char *about;           // printable: the first line of the trace's comment
    char *path;            // of the trace file; "-" for standard input
    int replay;            // the memory file's descriptor
    struct replay summary; // its header
    uint64_t hash;         // of the trace file (FNV-1a, 64 bits)
} workload;

// Returns the names of the shipped workloads, the traces in corpus/traces, sorted. Ends with NULL;
// static.
const char *const *workload_names(size_t *count);

// Loads a shipped workload by its name, a trace file by its path (any text with a '/' or the
// extension .lmt or .lmt.zst), or the trace on standard input ("-"). Exits with one line and status
// 2 if there is none or the trace is bad. The file is read once: later changes have no effect.
void workload_load(workload *workload, const char *name_or_path);
void workload_unload(workload *workload);

// Names the workload by its path, because another one has its name.
void workload_name_by_path(workload *workload);
