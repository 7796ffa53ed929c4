// Synthetic traces, generated from a description (corpus/synthetic/*.json).
//
//     { "about": "what it resembles", "source": "where its numbers are from",
//       "seed": 1, "operations": 1000000,
//       "live_blocks": 10000 and/or "live_bytes": 1000000,
//       "sizes": [ { "weight": 9, "bytes": 24 }, { "weight": 1, "from": 1, "to": 4096 } ],
//       "lifetimes": [ { "weight": 1, "geometric": 100 }, { "weight": 1, "fixed": 20 },
//                      { "weight": 1, "batch": 5000 }, { "weight": 1, "forever": true } ],
//       "resize": 0.02, "zeroed": 0.1, "aligned": 0.01, "alignment_max": 4096,
//       "lanes": 2, "remote": 0.5 }
//
// Lifetimes are in operations. A range of sizes is log-uniform; `geometric` is the mean of a
// geometric distribution; all blocks of a `batch` are freed after each multiple of that many
// operations. If a block would exceed `live_blocks` or `live_bytes`, the one with the earliest end
// is freed early. `resize` is the share of operations that resize a live block; `zeroed` and
// `aligned` are shares of allocations, `aligned` to a power of two from 32 to `alignment_max` (4096
// by default, at most 2^31). Each allocation is in a random lane; its block is resized in that lane
// and freed there too, or in another lane for the share `remote` of blocks.
#pragma once

#include "corpus/trace/trace.h"

#include <jansson.h>

// Generates `operations` heap operations, with changes of lane between them, an exit, and the frees
// that close the trace. The same description gives the same trace on every machine. Returns false
// with `error` if the description is invalid or if out of memory. O(n log n) for n operations.
bool generator_run(json_t *description, trace *trace, trace_error *error);
