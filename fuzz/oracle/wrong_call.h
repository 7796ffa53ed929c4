// Wrong calls on a heap that is watched: `!` of a trace (corpus/trace/wrong_calls.def).
//
// At check level 1 and above each must trap, and the heap is then as it was. What no strategy can
// promise is that it sees through content made to look like its own records. A block that is served
// where others have ended keeps their records until the program writes there, so the oracle clears
// each block; where one was too large for that, and in an arena that gave back, which does not look
// at the ground either, only addresses in blocks that are cleared are tried.
#pragma once

#include "alloc/conformance/oracle.h"
#include "corpus/trace/trace.h"

// Told of each call before it is made, by its name in alloc/allocator.h, if it is not NULL.
typedef void wrong_call_watcher(const char *name, const void *pointer, size_t size);
extern wrong_call_watcher *wrong_call_watched;

// Makes the wrong call, where it is one as the heap stands, and where law `misuse` is held. The
// oracle must clear. `scope_is_open`: in the heap. False: the law is broken, and the heap may be.
// Time is that of a look at up to 256 KiB of the heap. SIGILL and SIGTRAP are caught meanwhile: one
// thread at a time.
bool wrong_call_make(oracle *oracle, const trace_operation *operation, bool scope_is_open);
