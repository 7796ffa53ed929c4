// Executables: whether the recorder gets into one, and whether its runtime has a heap of its own.
#pragma once

#include <stdbool.h>
#include <stddef.h>

typedef struct executable {
    bool readable;      // an ELF file that we may read; else nothing of the rest is known
    bool is_static;     // no loader, so no preloaded library
    bool is_foreign;    // of another machine or C library than the recorder's library
    bool is_privileged; // setuid, setgid or with capabilities: the loader ignores preloads
    const char *hidden; // what its runtime keeps in a heap of its own, or NULL
} executable;

// Finds a command as execvp does: through PATH where it has no slash, and the interpreter of a
// script. False: not found.
bool executable_find(const char *command, char *path, size_t bytes);
void executable_inspect(const char *path, executable *executable);

// A line for each runtime with a heap of its own, to be freed; NULL: out of memory.
char *executable_runtimes(void);
