// One program of heap operations on several strategies, one after the other: who serves what the
// others serve.
//
// The policy: what most of those who are asked serve is refused by nobody who could serve it. Those
// could that have as much left of the memory as they say that the block takes, and what a heap
// needs besides: the block's alignment (where they round to powers of two, that power), three
// pages, and a sixteenth for tables and for rounding up. They may refuse where a growth was
// refused; and a strategy that threads share refuses what is over 512 MiB, since a table that stays
// where they look splits the memory.
//
// That is sharper than the oracle, which looks at one strategy, and lets each refuse what does not
// fit twice: 2 GiB and above, in any memory.
#pragma once

#include "fuzz/heap_player.h"

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
