// A cell: one allocator playing one workload in one fresh process.
//
// The two processes share this piece of memory: the comparison writes the order, the runner the
// outcome. What a runner that crashed had found out so far is there still.
#pragma once

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
    CELL_PASSES_MAX = 256,
    CELL_DESCRIPTOR = 3,    // in the runner: this piece,
    PROGRAM_DESCRIPTOR = 4, // and the program it plays
    CELL_WALK_EVERY = 4096, // calls, when verifying
    CELL_STEPS_MIN = 1000,  // of the clock in what is timed: an error of 0.1 % at most
};

typedef struct cell_order {
    char allocator[32]; // a strategy, a yardstick or a system malloc
    int32_t check_level;
    uint32_t verify;      // play once, observed and walked, and take no time
    uint32_t threads;     // a thread plays each lane
    uint32_t warm_passes; // after the cold one: at most so many,
    uint32_t warm_passes_min;
    double warm_ns_max;  // and no more than fit here if each takes as long as the cold one did
    uint32_t commit;     // an lm_memory_commit
    uint32_t heap_start; // varied from process to process: one layout is one sample
    double handicap;     // of a pass's time, spent waiting inside of it: a slowdown of known size
} cell_order;

typedef struct cell_outcome {
    uint32_t done;     // the runner came to its end
    char proof[128];   // which library answered, and its version
    char failure[160]; // what went wrong, or ""
    uint32_t warm_passes;
    double cold_ns, warm_ns[CELL_PASSES_MAX]; // of a play
    uint32_t cold_short, warm_short; // what was timed took under CELL_STEPS_MIN steps of the clock
    uint64_t baseline_rss_bytes; // all is loaded and mapped, nothing played; without the pieces of
                                 // 2 MiB that the heap holds by the memory option
    uint64_t peak_rss_bytes;     // above it, in the cold pass
    uint64_t peak_heap_bytes;    // the linear memory's size after the cold pass
    uint64_t page_faults;        // in the cold pass
    double huge_bytes;           // in huge pages after it, the whole process; NaN: not known
    uint64_t harness_calls;      // heap calls in a verified pass that were not the program's
} cell_outcome;

typedef struct cell {
    cell_order order;
    cell_outcome outcome;
} cell;

#ifdef __cplusplus
}
#endif
