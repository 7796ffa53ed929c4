// Hooks of a preloaded library: interpose.c passes each call on and calls these, which each library
// defines. Any thread may call them, also before main and after it; they must not allocate.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Initial-exec, because the general model may allocate.
#define INTERPOSE_THREAD_OWN static _Thread_local __attribute__((tls_model("initial-exec")))

// Called once or more when the environment is available, before or as the program starts. If
// `first`, the program's calls reach this library. If not, the executable has a malloc of its own,
// and only some other functions of the family reach this library.
void hook_begin(bool first);

// Called after an allocation and before a free, so that an address is reported as freed before any
// thread reports it as allocated again.
void hook_allocated(const void *block, size_t size, unsigned alignment_log2, bool zeroed);
void hook_freeing(const void *block);

// Called before and after a resize, on the same thread. The second gets NULL if the resize failed,
// or if the size was 0 and the block was freed.
void hook_resizing(const void *block);
void hook_resized(const void *block, size_t size);
