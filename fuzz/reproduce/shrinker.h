// Shrinking: reduces a trace to a small one that still shows the failure.
//
// Operations are removed in ever smaller runs (delta debugging), together with all later operations
// on the objects that they begin; then every number is lowered as far as the failure allows. Both
// are repeated until neither helps: no single operation of the result can be removed.
#pragma once

#include "corpus/trace/trace.h"

// Whether a trace still shows the failure.
typedef bool shrinker_fails(void *context, const trace *trace);

typedef struct shrinker_options {
    shrinker_fails *fails;
    void *context;
    size_t tries_max; // calls of `fails`
    // Optional: called before each try with the number of tries so far and of the operations left;
    // returns false to stop.
    bool (*goes_on)(void *context, size_t tries, size_t operations);
} shrinker_options;

// Shrinks a failing trace in place and returns the number of tries. If memory or tries run out, or
// `goes_on` stops it, the trace is the smallest one found so far. The preamble is kept.
size_t shrinker_run(trace *trace, const shrinker_options *options);
