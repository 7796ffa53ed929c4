// Differential test: the same heap operations on several strategies, one after the other.
//
// The policy: if most strategies serve a request, another may fail it only if it has no room for
// the request rounded up to the next power of two, at a multiple of that (oracle_had_room adds what
// the heap itself needs), or if a growth failed. A strategy that threads share may fail requests
// above 512 MiB, because its table never moves and splits the memory.
//
// The oracle checks one strategy and lets it fail a request that has no room by block_bytes_max,
// however large that is. The policy here does not depend on block_bytes_max.
#pragma once

#include "fuzz/play/heap_player.h"

enum {
    DIFFERENTIAL_STRATEGIES_MAX = 32,
    DIFFERENTIAL_OPERATIONS_MAX = 1024, // compared; later operations are played only
};

// The results of one operation: a bit for each strategy.
typedef struct differential_answers {
    uint32_t served, refused, owed; // owed: refused with room for it
} differential_answers;

typedef struct differential {
    const lm_allocator *allocators[DIFFERENTIAL_STRATEGIES_MAX];
    size_t count;
    differential_answers answers[DIFFERENTIAL_OPERATIONS_MAX];
    size_t place;      // the index of the strategy that broke a law
    law broken;        // or LAW_NONE
    char finding[240]; // which strategy, and how
} differential;

// Plays the operations, up to an exit, on all strategies of `differential`, and compares the
// results. `options` apply to all; its allocators are ignored. Returns false if a law is broken;
// `at` is then the operation, and `broken` and `finding` say which law and how.
bool differential_run(differential *differential, heap_player *player, const heap_options *options,
                      const trace_operation *operations, size_t count, size_t *at);
