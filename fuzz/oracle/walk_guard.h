// Walks over damaged heaps: validate must end on any heap and change nothing. A walk that crashes,
// traps or does not return is ended and reported.
#pragma once

#include "alloc/allocator.h"

#include <stdbool.h>

// A word of the heap, by its offset in bytes, and its new value.
typedef struct walk_damage {
    uint32_t offset, value;
} walk_damage;

// Between begin and end, on one thread, a crash, a trap or one second of process time ends a walk.
void walk_guard_begin(void);
void walk_guard_end(void);

// Damages the word, walks, and restores it. Returns false if the walk failed; `how` (of 160 bytes)
// then says how, and with which damage. The caller checks for writes elsewhere.
bool walk_guarded(const lm_allocator *allocator, lm_memory *memory, walk_damage damage, char *how);

// Prints the same line, for a finding of the caller.
void walk_guard_print(const lm_memory *memory, walk_damage damage, const char *what, char *how);

// Makes a thread's signal handlers use a stack of their own, so that a stack overflow is caught
// too.
void walk_guard_use_stack(void);
