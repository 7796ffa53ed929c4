// The model: what is live, by offset, known without asking the strategy. It plays random calls and
// holds every answer against the record. Foreign pages are in it as blocks that nobody frees.
#pragma once

#include "alloc/conformance/demand.h"
#include "alloc/conformance/tested.h"

enum { SLOTS = 512, FOREIGN_MAX = 64 };

typedef struct extent {
    uint64_t offset;
    uint64_t room;   // that no other extent may touch: what is usable, or one byte
    uint64_t usable; // which holds content
    uint64_t cost_max;
    uint64_t counts; // to the demand
    size_t size, alignment;
    uint32_t scope; // in which it was allocated
    uint8_t mark;
    bool foreign;
} extent;

typedef struct model {
    lm_memory memory;
    extent live[SLOTS + FOREIGN_MAX]; // in order of their offsets
    uint32_t count, foreign, scopes, pages_begun;
    lm_demand_meter demand; // what was asked of the heap
    uint64_t random, seed;  // as it was at first
    bool growth_refused;    // perhaps, by one of our own refusals
    unsigned refusals;      // how many calls were refused
    unsigned episode, step;
} model;

// What an episode's world does besides.
typedef struct world {
    unsigned episodes, steps, walk_every, resets_in_1000;
    uint32_t slots, pages_max;
    bool moving, refusing, foreign, copying;
    bool hungry; // allocates more than it frees
} world;

// One random call or event.
void step(model *m, const world *w);

// Single ones.
void step_free(model *m, uint32_t i);
void step_foreign(model *m);
void step_close_scope(model *m);

// Whether the heap is sound and counts what the model knows, and every block holds its content.
lm_census check_census(model *m);
void check_contents(model *m);

// All blocks of the model are freed, the last one first.
void free_all(model *m);
