// Shrinking: a trace that still shows a failure, with as little as possible beside it.
//
// Operations are dropped in ever smaller runs (delta debugging), and with what began in them all
// that was done to it; then every number is lowered as far as the failure allows. Both are repeated
// until neither helps: no operation of the result can be spared alone.
#pragma once

#include "corpus/trace/trace.h"

// Whether a trace still shows the failure.
typedef bool shrinker_fails(void *context, const trace *trace);

typedef struct shrinker_options {
    shrinker_fails *fails;
    void *context;
    size_t tries_max; // calls of `fails`
    // Told before each try how many were made, and how many operations are left; returns whether to
    // go on. Or NULL.
    bool (*goes_on)(void *context, size_t tries, size_t operations);
} shrinker_options;

// Shrinks a trace that fails, in place; returns how many tries that took. Where memory or tries run
// out, or it is told to stop, the trace is the smallest found so far. Its preamble stays.
size_t shrinker_run(trace *trace, const shrinker_options *options);
