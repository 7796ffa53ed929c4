// A cell: one allocator on one workload in one fresh process, the runner.
//
// The comparison and the runner share this memory: the comparison writes the request, the runner
// the outcome. If the runner crashes, what it has written so far remains.
#pragma once

#include <stdint.h>

enum {
    CELL_PASSES_MAX = 256,
    CELL_DESCRIPTOR = 3,    // in the runner: this memory
    REPLAY_DESCRIPTOR = 4,  // in the runner: the replay
    CELL_WALK_EVERY = 4096, // calls from heap walk to heap walk in a verified run
    CELL_STEPS_MIN = 1000,  // steps of the clock in a timed pass: an error of 0.1 % at most
};

typedef struct cell_request {
    char allocator[32]; // a strategy, a yardstick or a system malloc
    int32_t check_level;
    uint32_t verify;      // run once with all checks and heap walks, without timing
    uint32_t threads;     // a thread runs each lane
    uint32_t warm_passes; // maximum number after the cold pass
    uint32_t warm_passes_min;
    double warm_ns_max;  // fewer warm passes if they would exceed this at the cold pass's speed
    uint32_t commit;     // an lm_memory_commit
    uint32_t heap_start; // varied from process to process, because one layout is one sample
    double handicap;     // fraction of a pass's time added to it by waiting: a known slowdown
} cell_request;

typedef struct cell_outcome {
    uint32_t done;     // the runner has finished
    char proof[128];   // "VERSION (FILE)" of the malloc that the process has
    char failure[160]; // what failed, or ""
    uint32_t warm_passes;
    double cold_ns, warm_ns[CELL_PASSES_MAX]; // of one replay in the pass
    uint32_t cold_short, warm_short; // a pass took less than CELL_STEPS_MIN steps of the clock
    uint64_t baseline_rss_bytes; // before the cold pass, with everything mapped; does not include
                                 // the heap's 2 MiB steps or huge pages
    uint64_t peak_rss_bytes;     // above the baseline, in the cold pass
    uint64_t peak_heap_bytes;    // the linear memory's size after the cold pass
    uint64_t page_faults;        // in the cold pass
    double huge_bytes;           // process's huge pages after the cold pass; NaN: unknown
    uint64_t harness_calls;      // heap calls in a verified run that the replay did not make
    // In engines other than `native` (bench/engines/engine.h):
    double clock_step_ns, memory_grow_ns;
    uint64_t memory_grows; // growths in a verified run
    uint64_t pages_end;    // of the heap, after all passes
    char heap_hash[17];
} cell_outcome;

typedef struct cell {
    cell_request request;
    cell_outcome outcome;
} cell;
