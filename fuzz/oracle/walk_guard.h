// Walks over damaged heaps: validate must come to its end over any heap, and change nothing. A walk
// that crashes, traps or does not return is ended, and told as what it is.
#pragma once

#include "alloc/allocator.h"

#include <stdbool.h>

// A word of the heap, by its offset in bytes, and what it becomes.
typedef struct walk_damage {
    uint32_t offset, value;
} walk_damage;

// From begin to end, on one thread, crashes and traps end a walk, and so does the second of the
// process's own time that it takes.
void walk_guard_begin(void);
void walk_guard_end(void);

// Damages the word, walks, and puts it right again. False: `how` (of 160 bytes) says what the walk
// did over which damage. What it wrote elsewhere is the caller's to see.
bool walk_guarded(const lm_allocator *allocator, lm_memory *memory, walk_damage damage, char *how);

// The same line, for what a caller sees.
void walk_guard_print(const lm_memory *memory, walk_damage damage, const char *what, char *how);

// Has signals of a thread handled on a stack of their own, so that a call that uses up the thread's
// is told as well.
void walk_guard_use_stack(void);
