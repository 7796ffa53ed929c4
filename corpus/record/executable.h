// Inspects an executable: whether the recorder's library can be preloaded into it, and whether its
// runtime has its own heap.
#pragma once

#include <stdbool.h>
#include <stddef.h>

typedef struct executable {
    bool readable;      // an ELF file that we may read; if not, only is_privileged is known
    bool is_static;     // no loader, and so no preloaded library
    bool is_foreign;    // for another machine or C library than the recorder's library
    bool is_privileged; // setuid, setgid or with capabilities: the loader ignores preloads
    const char *hidden; // what its runtime allocates from its own heap, or NULL
} executable;

// Finds the executable of a command as execvp does: through PATH if it has no slash; for a script,
// its interpreter. Returns false if there is none.
bool executable_find(const char *command, char *path, size_t bytes);
void executable_inspect(const char *path, executable *executable);

// Returns a line for each known runtime with its own heap, which the caller frees, or NULL if out
// of memory.
char *executable_runtimes(void);
