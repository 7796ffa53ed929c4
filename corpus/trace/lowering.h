// Lowering: turns a trace of buffers or scopes into plain allocations and frees for any heap.
//
// A buffer is allocated by its `b` and freed by the operation that releases its last reference: a
// release, or the drain of a collected token. Order, sizes, alignments and lanes are as recorded; a
// drain's frees are in the draining lane. The other buffer verbs (retain, view, copy, transfer,
// attach) are dropped, because no allocator sees them. Several memories become one heap, with the
// blocks of all and the g, n and w of all.
//
// The close of a scope, or a reset, frees each of its blocks, newest first, so that allocators
// without scopes can play it too. Heap starts (h) and wrong calls (!) are dropped.
#pragma once

#include "corpus/trace/trace.h"

// Returns whether the trace has any operation other than a z r f t e g n w.
bool lowering_is_needed(const trace *trace);

// Lowers a trace to a z r f t e g n w, with the same preamble. Returns false with `error` if out of
// memory or if there are more than TRACE_OPERATIONS_MAX operations; there is then nothing to free.
// O(n).
bool lowering_run(const trace *trace, struct trace *lowered, trace_error *error);
