// Out of memory at every point: plays a trace twice for each of its operations that grows the
// memory, once with that growth failing and once with all growths failing from there on. If that
// would be more than OUT_OF_MEMORY_OPERATIONS_MAX operations, only every n-th growth is tried.
//
// Besides the oracle's laws (alloc/conformance/oracle.h), it walks the heap before the operation
// and, if the operation fails, checks that the census is unchanged and that all live blocks keep
// their content. Then play goes on. An operation `n 1` or `n *` before the growing one makes the
// growth fail, so that a finding is a trace again.
#pragma once

#include "fuzz/play/heap_player.h"

enum { OUT_OF_MEMORY_OPERATIONS_MAX = 1 << 20 };

typedef struct out_of_memory {
    size_t growths;
    size_t tried;          // of these, the ones made to fail
    size_t plays, refused; // refused: plays in which a growth failed
    // The play that broke a law; player->heap.oracle says which law.
    size_t operation; // the operation whose growth failed
    uint32_t count;   // growths that fail: 1, or TRACE_COUNT_ALL
    size_t at;        // the operation that broke it
} out_of_memory;

// Writes the operations that reproduce the finding: an `n` before `played->operation` and, if all
// growths fail from there on, no `n` after it. Returns their number, at most `count` + 1.
size_t out_of_memory_operations(const trace_operation *operations, size_t count,
                                const out_of_memory *played, trace_operation *refused);

// Returns false if a law is broken. O(growths × operations) time, `count` bytes.
bool out_of_memory_run(heap_player *player, const heap_options *options,
                       const trace_operation *operations, size_t count, out_of_memory *played);
