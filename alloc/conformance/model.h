// The model: a list of the live blocks by offset, kept independently of the strategy. It makes
// random calls and checks every result against the list. Foreign pages are blocks in it that are
// never freed.
#pragma once

#include "alloc/conformance/demand.h"
#include "alloc/conformance/tested.h"

enum { SLOTS = 512, FOREIGN_MAX = 64 };

typedef struct extent {
    uint64_t offset;
    uint64_t room;   // bytes that no other extent may overlap: the usable ones, at least one
    uint64_t usable; // bytes that keep their content
    uint64_t cost_max;
    uint64_t counts; // its share in the demand
    size_t size, alignment;
    uint32_t scope; // the one that it was allocated in
    uint8_t mark;
    bool foreign;
} extent;

typedef struct model {
    lm_memory memory;
    extent live[SLOTS + FOREIGN_MAX]; // in order of their offsets
    uint32_t count, foreign, scopes, pages_begun;
    lm_demand_meter demand; // on the heap
    uint64_t random, seed;  // seed: the first value of random
    bool growth_refused;    // growths may have been made to fail
    unsigned refusals;      // the number of calls that failed
    unsigned episode, step;
} model;

// The parameters of an episode.
typedef struct world {
    unsigned episodes, steps, walk_every, resets_in_1000;
    uint32_t slots, pages_max;
    bool moving, refusing, foreign, copying;
    bool hungry; // allocates more than it frees
} world;

// Makes one random call or event.
void step(model *m, const world *w);

// Make a given one.
void step_free(model *m, uint32_t i);
void step_foreign(model *m);
void step_close_scope(model *m);

// Check that the heap is sound and its census agrees with the model, and that every block has its
// content.
lm_census check_census(model *m);
void check_contents(model *m);

// Frees all blocks of the model, the last one first.
void free_all(model *m);
