// A workload: a trace, compiled, shared with the kernels by a memory file.
#pragma once

#include "corpus/program.h"

typedef struct workload {
    char name[64];
    char about[120]; // the first line of the trace's comment
    char *path;
    int program;            // the memory file's descriptor
    struct program summary; // its head
    uint64_t hash;          // of the trace file (FNV-1a, 64 bits)
} workload;

// The names of the shipped workloads: the traces in corpus/traces, sorted. Ends with NULL, to be
// freed with free() in one piece.
char **workload_names(size_t *count);

// Loads a shipped workload by its name, or a trace file by its path (whatever holds a '/' or ends
// in .lmt or .zst). Does not return where there is none or the trace is bad: one line, status 2.
void workload_load(workload *workload, const char *name_or_path);
void workload_unload(workload *workload);
