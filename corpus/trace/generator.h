// Synthetic traces: what a program might do, from a description (corpus/synthetic/*.json).
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
// Lifetimes count operations. A range of sizes is log-uniform; a geometric lifetime has its mean
// given; blocks of a batch die together, whenever that many operations are over. What would die
// soonest goes early where more than `live_blocks` or `live_bytes` would live. The shares say how
// many operations resize a living block, and how many allocations are zeroed or aligned, to a power
// of two from 32 to `alignment_max` (4096 by default, 2^31 at most). Lanes take operations at
// random; `remote` is the share of blocks that another lane frees than the one that allocated them.
#pragma once

#include "corpus/trace/trace.h"

#include <jansson.h>

// Generates `operations` operations, an exit, and the frees that close the trace. The same
// description gives the same trace on every machine. False: `error` says what is wrong with it.
// O(n log n) for n operations.
bool generator_run(json_t *description, trace *trace, trace_error *error);
