// A run of a trace: plays it once in a child process and reports the broken law. Crashes, traps and
// calls that do not return end only the child.
#pragma once

#include "alloc/allocator.h"
#include "corpus/trace/trace.h"
#include "fuzz/play/out_of_memory.h"

// What was broken: a law's name, or another kind of finding (fuzz/run/finding.h). Shrinking keeps
// it the same.
typedef struct failure {
    char law[48]; // "": nothing is broken
    char how[320];
    size_t at; // the operation; the number of operations if it broke at the end
} failure;

typedef struct trace_run trace_run;

// How the operations of a target's inputs are read, written and played.
typedef struct trace_run_target {
    const char *name;
    size_t (*decode)(const uint8_t *bytes, size_t count, trace_operation *operations, size_t max);
    size_t (*encode)(const trace_operation *operations, size_t count, uint8_t *bytes, size_t max);
    // Plays on one strategy, up to an exit, and keeps `failure->at` current in case that a call
    // does not return. NULL if only the target's program can play.
    void (*play)(const trace_run *run, const trace *trace, failure *failure);
    // Write and read the part of an input that operations do not express, as a comment of its
    // trace. read_world returns false if there is none. NULL if operations express everything.
    void (*print_world)(char *line, size_t size);
    bool (*read_world)(const trace *trace);
    bool counts;   // steps may be counted
    bool damages;  // the heap may be walked at the end with words of it damaged
    bool together; // the program plays all strategies, and its message names the one that fails
} trace_run_target;

// Returns the target of that name, or NULL if its inputs are not operations.
const trace_run_target *trace_run_target_named(const char *name);

struct trace_run {
    const trace_run_target *target;
    // The allocator under test. If `program` is set, that fuzz target's program plays it, with
    // sanitizers, at the allocator's check level.
    const lm_allocator *allocator;
    bool counted, damaged;
    const char *program;
    double seconds; // time limit; longer is a hang
};

// Plays the trace. Returns true if a law is broken; `failure` then says which. Returns false if
// interrupted.
bool trace_run_play(const trace_run *run, const trace *trace, failure *failure);

// Plays the trace again with the fuzz target's program at `program` and, if it fails in the same
// way, appends to `failure->how` the source line of the crash, trap, hang or sanitizer report.
void trace_run_locate(const trace_run *run, const char *program, const trace *trace,
                      failure *failure);

// A wrong call that a trace makes.
typedef struct trace_run_wrong_call {
    size_t at;        // the operation
    const char *name; // in alloc/allocator.h
    bool is_null;     // it was made with NULL, else with `offset` from the memory's base
    uint64_t offset;
    size_t size;
} trace_run_wrong_call;

enum { TRACE_RUN_WRONG_CALLS_MAX = 4096 };

// Plays the trace again in this program's build of the allocator and stores the first wrong calls
// that it makes. Returns their number.
size_t trace_run_wrong_calls(const trace_run *run, const trace *trace,
                             trace_run_wrong_call made[TRACE_RUN_WRONG_CALLS_MAX]);

// trace_run_play with each growth failing, one after the other (fuzz/play/out_of_memory.h), for a
// strategy on a heap. Returns true if a law is broken; `refused` is then the trace with that failed
// growth in it. `tried` says how many growths were tried.
bool trace_run_refuse_growth(const trace_run *run, const trace *trace, struct trace *refused,
                             out_of_memory *tried);

// Runs a fuzz target's program on an input file of any format. Returns true if it finds something.
bool trace_run_bytes(const char *program, const char *path, double seconds, failure *failure);
