// The library of a system malloc that this system has.
#pragma once

#include "alloc/system/system_malloc.h"

// Returns the file name of the first of the system malloc's libraries that a process can be started
// with, "" for the C library's own malloc, NULL if this system has none of them. Starts a process
// for each library when it is asked about a system malloc for the first time. Not for several
// threads.
const char *system_library(const lm_system_malloc *system_malloc);
