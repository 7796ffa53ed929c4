// Makes wrong calls on a checked heap: `!` of a trace (corpus/trace/wrong_calls.def).
//
// At check level 1 and above each must trap and leave the heap unchanged. No strategy can detect
// content that imitates its own records, and a block served where others have ended contains their
// records until the program overwrites them. So the oracle clears each block; if one is too large
// to clear, or in an arena that gave memory back and does not look at it either, only addresses in
// cleared blocks are tried.
#pragma once

#include "alloc/conformance/oracle.h"
#include "corpus/trace/trace.h"

// If not NULL, called before each call with the call's name in alloc/allocator.h.
typedef void wrong_call_watcher(const char *name, const void *pointer, size_t size);
extern wrong_call_watcher *wrong_call_watched;

// Makes the wrong call if it is wrong in the heap's present state and if law `misuse` is checked.
// The oracle must clear. `scope_is_open`: in the heap. Returns false if the law is broken; the heap
// may then be damaged. Reads up to 256 KiB of the heap. Catches SIGILL and SIGTRAP meanwhile: one
// thread at a time.
bool wrong_call_make(oracle *oracle, const trace_operation *operation, bool scope_is_open);
