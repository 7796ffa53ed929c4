// Lowering: a trace of buffers, or of scopes, as any heap sees it.
//
// A buffer is allocated by its `b`, and freed by the operation with which its last reference goes:
// a release, or the drain of a token that was collected. Order, sizes, alignments and lanes are as
// recorded; the drain's frees are the draining lane's. All else about buffers (retain, view, copy,
// transfer, attach) no allocator sees. Several memories become one heap: that of a comparison holds
// what lived in all of them, and what happens around any (g, n, w) happens around it.
//
// Of a scope that is closed, and at a reset, each block is freed, the newest first: so allocators
// that know no scopes play it too. Where a heap starts (h) is left to the comparison.
#pragma once

#include "corpus/trace/trace.h"

// Whether there is anything to lower: buffers, scopes, or memories other than one.
bool lowering_is_needed(const trace *trace);

// The heap trace of a trace: a z r f t e g n w only, with the same preamble. False: out of memory,
// or more operations than a trace may have, and nothing is kept. O(n).
bool lowering_run(const trace *trace, struct trace *lowered, trace_error *error);
