// A linear memory that each input resets: its whole maximum is accessible from the start, so that
// growth, moves and resets need no system calls. It uses the hook lm_memory_provide.
//
// AddressSanitizer poisons the page after the size; without it, accesses beyond the size do not
// fault. If a dirty-page tracker watches the memory (fuzz/play/dirty.h), a move copies the dirty
// pages and a reset zeroes them; else a move remaps the memory, and accesses to the old address
// fault until the memory moves there again. Such a memory has no views.
#pragma once

#include "alloc/linear_memory.h"

enum { FUZZ_MEMORY_ALIGNMENT_BYTES = 1 << 30 }; // of the base

// Reserves the memory, all zero. Returns false and sets errno if the options contradict each other
// (EINVAL) or the system has no address space left. The commit policy is ignored. The caller
// destroys the memory.
bool fuzz_memory_create(lm_memory *memory, const lm_memory_options *options);
void fuzz_memory_destroy(lm_memory *memory);

// Resets the memory, as if it was destroyed and created with the options, at the same address (if
// it is watched, at its first address). Returns false (EINVAL) with the memory unchanged if the
// maximum is larger than the memory was created with. Takes at most two system calls and time
// proportional to the touched pages.
bool fuzz_memory_reset(lm_memory *memory, const lm_memory_options *options);
