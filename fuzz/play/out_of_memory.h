// Out of memory at every point: a trace is played once for each of its operations that grows the
// memory, with that growth refused; and once more with all refused from there on. Where that would
// be more than OUT_OF_MEMORY_OPERATIONS_MAX operations, every n-th growth is refused.
//
// What is held, beside all else (fuzz/oracle/oracle.h): before the operation the heap is walked,
// and behind it, if it failed, the heap counts what it counted, and all that lives has its content.
// Then play goes on. That a growth is the n-th of the trace is said by an operation, `n 1` or `n
// *`, before the one that would grow: so what is found is a trace again.
#pragma once

#include "fuzz/play/heap_player.h"

enum { OUT_OF_MEMORY_OPERATIONS_MAX = 1 << 20 };

typedef struct out_of_memory {
    size_t growths;        // operations that grow the memory
    size_t tried;          // and how many of them were refused
    size_t plays, refused; // and in how many of those something was refused
    // The play that broke a law: the oracle's player knows which.
    size_t operation; // whose growth was refused
    uint32_t count;   // that were refused: 1, or TRACE_COUNT_ALL
    size_t at;        // the operation that broke it
} out_of_memory;

// The operations of which growth fails: `played->operation` behind one more, a refusal, and no
// other refusal behind that, if it is for ever. Returns their number, `count` + 1 at most.
size_t out_of_memory_operations(const trace_operation *operations, size_t count,
                                const out_of_memory *played, trace_operation *refused);

// False: a law is broken. O(growths × operations), and `count` bytes.
bool out_of_memory_run(heap_player *player, const heap_options *options,
                       const trace_operation *operations, size_t count, out_of_memory *played);
