// A comparison: every contestant plays every workload, each time in a fresh process, in blocks.
//
// A block plays every cell once: workload after workload, and within a workload the contestants in
// random order, close together in time, so that ratios can be taken within the block. Before
// anything is timed, every cell is played once verified. A cell that fails is not played again.
#pragma once

#include "alloc/linear_memory.h"
#include "bench/contestant.h"
#include "bench/workload.h"

#include <stdbool.h>

typedef enum play_pass { PASS_WARM, PASS_COLD, PASSES } play_pass;
extern const char *const play_pass_names[PASSES];

// How memory is got of the system, by lm_memory_commit: "4k" (the headline), "2m", "huge".
enum { MEMORY_OPTIONS = LM_COMMIT_HUGE + 1 };
extern const char *const memory_option_names[MEMORY_OPTIONS];

typedef struct profile {
    const char *name;
    size_t blocks;
    uint64_t warm_operations;
    uint32_t warm_passes_min;
    double warm_seconds_max;
    size_t workloads_max;
    const char *summary;
} profile;

extern const profile profiles[];
extern const size_t profile_count;

enum { STATUS_BYTES = 200 };

typedef struct cell_record {
    char status[STATUS_BYTES]; // "ok", or why there is no time
    double *ns_per_op[PASSES]; // by block; NaN where the block was not played
    bool too_short[PASSES];    // some block's pass was: the clock cannot tell
    // By block, of the cold pass:
    double *peak_rss_bytes, *page_faults, *peak_heap_bytes, *huge_bytes;
    char proof[128]; // the library's own words
} cell_record;

typedef struct comparison {
    contestant *contestants;
    size_t contestant_count, baseline; // the baseline's index
    const char *left_out; // system mallocs that the standard comparison has, and this system not
    workload *workloads;
    size_t workload_count;
    const profile *profile;
    bool threads;            // a thread plays each lane; else one plays all, in recorded order
    lm_memory_commit commit; // of the linear memories; the system mallocs get what they have for it
    size_t blocks;           // that were played whole, or begun when it was interrupted
    uint64_t seed;           // of the order and of what is varied
    double minimum_effect;
    double cell_seconds; // the limit of a process; 0: by the workload's operations
    bool interrupted;
    double seconds, verify_seconds;
    cell_record *cells; // contestant × workload_count + workload
} comparison;

cell_record *comparison_cell(const comparison *comparison, size_t contestant, size_t workload);

// Exits (options_fail) if the program that comparison_run starts for each cell is missing. The
// caller calls it before anything is written.
void comparison_need_runner(void);

// Plays it all. Progress goes to a terminal's standard error; Ctrl-C ends it early, and what was
// measured stays. The caller has filled in all above `blocks`, the seed and the minimum effect.
// Returns whether every cell is ok and all blocks were played. Dies (options_fail) only before
// anything is measured.
bool comparison_run(comparison *comparison);
void comparison_free(comparison *comparison);

// What a contestant's environment is given for a memory option: NAME=VALUE, or "". The system
// mallocs' mallocs have a setting for huge pages, and none that makes memory present before it is
// touched.
const char *comparison_setting(const contestant *contestant, lm_memory_commit commit);
