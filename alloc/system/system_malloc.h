// The process's own malloc family, behind the same table as the strategies.
//
// Which malloc that is, is decided by the library that the process was started with. The table
// holds the library's own malloc, free and realloc, found by dlsym: no wrapper stands between.
#pragma once

#include "alloc/allocator.h"

#include <stdbool.h>

typedef struct lm_system_malloc {
    const char *name;
    const char *libraries; // FILE|FILE…: the first that is there is preloaded; "" for the C library
    const char *huge_pages; // NAME=VALUE for its environment, read when it starts; "" for none
} lm_system_malloc;

size_t lm_system_malloc_count(void);
const lm_system_malloc *lm_system_malloc_at(size_t index);
const lm_system_malloc *lm_system_malloc_named(const char *name); // NULL where there is none

// Copies the first name of FILE|FILE… to `file` and moves behind it. False: there is none.
enum { LM_LIBRARY_BYTES = 100 };
bool lm_system_malloc_next_library(const char **libraries, char file[LM_LIBRARY_BYTES]);

// The table of the malloc that this process has, under the system malloc's name.
lm_allocator lm_system_malloc_table(const lm_system_malloc *system_malloc);

// Proves that the malloc of this process is the system malloc's: malloc, calloc, realloc,
// aligned_alloc and free all lie in one of its libraries. Writes "VERSION (FILE)" to `proof`, where
// the version is the library's own answer; false: `proof` says what was found instead.
bool lm_system_malloc_prove(const lm_system_malloc *system_malloc, char *proof, size_t proof_bytes);
