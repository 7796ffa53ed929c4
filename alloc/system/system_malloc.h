// The process's own malloc family, behind the same table as the strategies.
//
// The library that the process was started with (LD_PRELOAD) decides which malloc that is. The
// table holds the library's own malloc, free and realloc, found by dlsym, without wrappers.
#pragma once

#include "alloc/allocator.h"

#include <stdbool.h>

typedef struct lm_system_malloc {
    const char *name;
    const char *libraries;  // FILE|FILE…: the first one installed is preloaded; "": the C library
    const char *huge_pages; // NAME=VALUE for the environment, to enable huge pages; "" if it cannot
} lm_system_malloc;

size_t lm_system_malloc_count(void);
const lm_system_malloc *lm_system_malloc_at(size_t index);
const lm_system_malloc *lm_system_malloc_named(const char *name); // or NULL

// Copies the first name of FILE|FILE… to `file` and moves `libraries` past it. Returns false if no
// name is left.
enum { LM_LIBRARY_BYTES = 100 };
bool lm_system_malloc_next_library(const char **libraries, char file[LM_LIBRARY_BYTES]);

// Returns the table of the malloc that this process has, with the system malloc's name.
lm_allocator lm_system_malloc_table(const lm_system_malloc *system_malloc);

// Proves that this process has that malloc: malloc, calloc, realloc, aligned_alloc and free all lie
// in one of its libraries. Writes "VERSION (FILE)" to `proof`, with the version that the library
// itself returns. Returns false if it has another one; `proof` then says which.
bool lm_system_malloc_prove(const lm_system_malloc *system_malloc, char *proof, size_t proof_bytes);
