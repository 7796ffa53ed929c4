// A comparison: runs every candidate on every workload, each time in a fresh process, in blocks.
//
// A block runs every cell once: workload after workload, and within a workload the candidates in
// random order, close together in time, so that ratios can be taken within the block. Before
// anything is timed, a verified run checks every cell. A cell that fails is not run again.
#pragma once

#include "bench/candidate.h"
#include "bench/engines/engine.h"
#include "bench/workload.h"

#include <stdbool.h>

typedef enum pass_kind { PASS_WARM, PASS_COLD, PASSES } pass_kind;
extern const char *const pass_names[PASSES];

// Page size and commit policy, by lm_memory_commit: "4k" (the default), "2m", "huge".
enum { MEMORY_OPTIONS = LM_COMMIT_HUGE + 1 };
extern const char *const memory_option_names[MEMORY_OPTIONS];

typedef struct profile {
    const char *name;
    size_t blocks;
    uint64_t warm_operations;
    uint32_t warm_passes_min;
    double warm_seconds_max;
    size_t workloads_max;
    const char *workloads;
} profile;

extern const profile profiles[];
extern const size_t profile_count;

// What a cell measures in each block: the time of both passes, and the memory of the cold one.
typedef enum metric {
    METRIC_WARM_NS = PASS_WARM, // per operation
    METRIC_COLD_NS = PASS_COLD,
    METRIC_PEAK_RSS_BYTES,
    METRIC_PEAK_HEAP_BYTES,
    METRIC_PAGE_FAULTS,
    METRIC_HUGE_BYTES,
    METRIC_CLOCK_STEP_NS,  // these three in engines other than `native`
    METRIC_MEMORY_GROW_NS, // one memory.grow by a page
    METRIC_PAGES_END,      // after the last pass
    METRICS
} metric;

enum { STATUS_BYTES = 200 };

typedef struct cell_record {
    char status[STATUS_BYTES]; // "ok", or why there is no time
    double *by_block[METRICS]; // NaN if the cell was not run in the block
    bool too_short[PASSES];    // in some block the pass was too short for the clock
    char proof[128];           // version and file of the library, see cell_outcome
    uint64_t pages;            // in engines other than `native`: of the heap, after a verified run
    uint64_t memory_grows;     // which starts at the same offset in all of them
} cell_record;

typedef struct comparison {
    const engine *engine; // that runs all cells
    json_t *described;    // by comparison_run: the engine's version and features
    candidate *candidates;
    size_t candidate_count, baseline; // the baseline's index
    const char *left_out; // system mallocs of the standard comparison that are not installed
    workload *workloads;  // owned by the caller
    size_t workload_count;
    const profile *profile;
    bool threads;            // a thread runs each lane; else one runs all, in recorded order
    lm_memory_commit commit; // of linear memories; for system mallocs see candidate_parse
    size_t blocks;           // completed, or begun when the comparison was interrupted
    uint64_t seed;           // of the random order, heap starts and environment sizes
    double minimum_effect;
    double cell_seconds; // time limit of a process; 0: set by the number of operations
    bool interrupted;
    double seconds, verify_seconds;
    cell_record *cells; // candidate × workload_count + workload
    double *values;     // of all cells
} comparison;

cell_record *comparison_cell(const comparison *comparison, size_t candidate, size_t workload);

// Exits (options_fail) if linmem-runner, which comparison_run starts for each cell of `native`, is
// missing. The caller calls this before it writes anything.
void comparison_need_runner(void);

// Runs the comparison. Shows progress on standard error if that is a terminal. Ctrl-C ends it early
// and keeps the finished measurements. The caller has set the fields above `blocks`, seed,
// minimum_effect and cell_seconds. Returns true if every cell is ok and all blocks were run. Exits
// (options_fail) only before anything is measured.
bool comparison_run(comparison *comparison);
void comparison_free(comparison *comparison);
