// One program of heap operations on several strategies, one after the other: who serves what the
// others serve.
//
// The policy: what most of those who are asked serve is refused by nobody who has room for it, were
// it rounded up to the next power of two and put at a multiple of that: no strategy may need more
// (and what a heap needs besides, oracle_had_room says). They may refuse where a growth was
// refused; and a strategy that threads share refuses what is over 512 MiB: a table that stays
// where they look splits the memory.
//
// The oracle looks at one strategy and lets it refuse what has no room by its own statement,
// however much that states. Here no statement counts.
#pragma once

#include "fuzz/play/heap_player.h"

enum {
    AGREEMENT_STRATEGIES_MAX = 32,
    AGREEMENT_OPERATIONS_MAX = 1024, // of which answers are kept; what follows is played only
};

// What strategies answered to an operation: a bit for each.
typedef struct agreement_answers {
    uint32_t served, refused, owed; // owed: refused by those that could serve it
} agreement_answers;

typedef struct agreement {
    const lm_allocator *allocators[AGREEMENT_STRATEGIES_MAX];
    size_t count;
    agreement_answers answers[AGREEMENT_OPERATIONS_MAX];
    size_t place;      // of the strategy that broke a law
    oracle_law broken; // or LAW_NONE
    char finding[240]; // which strategy, and how
} agreement;

// Plays the operations, up to an exit, on all strategies of `agreement`, and compares. `options`
// are for all of them; their allocators are not looked at. False: a law is broken, `at` is the
// operation that broke it, and `broken` and `finding` say which and how.
bool agreement_run(agreement *agreement, heap_player *player, const heap_options *options,
                   const trace_operation *operations, size_t count, size_t *at);
