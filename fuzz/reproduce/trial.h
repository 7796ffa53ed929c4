// A trial: a trace is played once, in a process of its own, and what it breaks is told. Crashes,
// traps and calls that do not return end the trial, not us.
#pragma once

#include "alloc/allocator.h"
#include "corpus/trace/trace.h"
#include "fuzz/play/out_of_memory.h"

// What was broken: a law's name, or what else a finding is called (fuzz/run/finding.h). Shrinking
// keeps it.
typedef struct failure {
    char law[48]; // "": nothing is broken
    char how[320];
    size_t at; // the operation, or how many there are: at the end
} failure;

typedef struct trial trial;

// How the operations of a target's inputs are read, written and played.
typedef struct trial_target {
    const char *name;
    size_t (*decode)(const uint8_t *bytes, size_t count, trace_operation *operations, size_t max);
    size_t (*encode)(const trace_operation *operations, size_t count, uint8_t *bytes, size_t max);
    // One strategy, up to an exit. `failure->at` is kept right while it plays, in case that it does
    // not return. NULL: only the target's program plays.
    void (*play)(const trial *trial, const trace *trace, failure *failure);
    // What operations do not say of an input that was decoded last, or is to be encoded: a comment
    // of its trace, and back. False: it has none. NULL: they say all.
    void (*print_world)(char *line, size_t size);
    bool (*read_world)(const trace *trace);
    bool counts;   // steps may be counted
    bool damages;  // in the end the heap may be walked with words of it damaged
    bool together; // the program plays all strategies: what breaks is one's, as it says
} trial_target;

// The target of that name, or NULL: its inputs are no operations.
const trial_target *trial_target_named(const char *name);

struct trial {
    const trial_target *target;
    // Who plays. With `program`, a fuzz target's, that does, under sanitizers, at the allocator's
    // check level.
    const lm_allocator *allocator;
    bool counted, damaged;
    const char *program;
    double seconds; // after which it hangs
};

// Plays the trace. True: something is broken, and `failure` says what. Interrupted it is not.
bool trial_run(const trial *trial, const trace *trace, failure *failure);

// Plays the trace once more, by the fuzz target's program at `program`, and adds to `failure->how`
// where in the sources it crashes, traps, hangs or breaks a sanitizer's law, if it fails the same.
void trial_locate(const trial *trial, const char *program, const trace *trace, failure *failure);

// Has the program of target `buffers` write the calls that the trace comes to, as statements of C.
// False: it wrote nothing.
bool trial_record(const trial *trial, const trace *trace, FILE *calls);

// A wrong call that a trace came to.
typedef struct trial_wrong_call {
    size_t at;        // the operation
    const char *name; // in alloc/allocator.h
    bool is_null;     // it was made with NULL, else with `offset` from the memory's base
    uint64_t offset;
    size_t size;
} trial_wrong_call;

// Plays the trace once more, by the allocator here, and keeps the wrong calls that it comes to.
// Returns how many; `max` at most.
size_t trial_wrong_calls(const trial *trial, const trace *trace, trial_wrong_call *made,
                         size_t max);

// As trial_run with each growth refused, one after the other (fuzz/play/out_of_memory.h), by an
// allocator of ours on a heap. True: where something is broken; `refused` is then the trace with
// that refusal in it. `tried` says how many of the growths were refused.
bool trial_refuse(const trial *trial, const trace *trace, struct trace *refused,
                  out_of_memory *tried);

// A fuzz target's program on a file that is its input, whatever that means.
bool trial_bytes(const char *program, const char *path, double seconds, failure *failure);
