// Finds the installed library of a system malloc.
#pragma once

#include "alloc/system/system_malloc.h"

// Returns the file name of the first of the system malloc's libraries that a process can be started
// with, "" for the C library's own malloc, or NULL if none is installed. The first call for a
// system malloc starts a process for each library it tries. Not thread-safe.
const char *system_library(const lm_system_malloc *system_malloc);
