// What a preloaded library does beside passing calls on: interpose.c calls these, and each library
// defines them. They are called by any thread, before main and after it; they allocate nothing.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Initial-exec, as the general model may allocate.
#define INTERPOSE_THREAD_OWN static _Thread_local __attribute__((tls_model("initial-exec")))

// Called once or more when the environment is there, before or as the program starts. `first`: the
// program calls us. Else the executable has a malloc of its own, and what reaches us is some of the
// rest of the family.
void hook_begin(bool first);

// A block came, and one is about to be freed: so no thread is told of an address as new before it
// was told of it as freed.
void hook_allocated(const void *block, size_t size, unsigned alignment_log2, bool zeroed);
void hook_freeing(const void *block);

// The two halves of a resize, on the same thread. `block` is NULL where it failed, or where its
// size was 0 and it was freed.
void hook_resizing(const void *block);
void hook_resized(const void *block, size_t size);
