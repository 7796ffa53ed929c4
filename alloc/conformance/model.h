// Random calls on the strategy under test, each checked by the oracle
// (alloc/conformance/checked_heap.h).
#pragma once

#include "alloc/conformance/checked_heap.h"
#include "alloc/conformance/tested.h"

enum { MODEL_BLOCKS_MAX = 512 };

typedef struct model {
    lm_memory memory;
    checked_heap heap;
    uint64_t random, seed;  // seed: the first value of random
    uint32_t number;        // of the next block
    unsigned episode, step; // step: the calls and events so far
} model;

typedef struct model_options {
    unsigned episodes, steps, walk_every;
    uint32_t blocks, pages_max;
    unsigned resets_in_1000;
    bool moving, refusing, foreign, copying;
    bool hungry; // allocates more than it frees
} model_options;

// Starts a heap in the memory, which the model owns from here on. Like all functions below, fails
// the test if a law is broken.
void model_start(model *m, lm_memory memory, uint64_t seed);

// Makes one random call or event.
void model_step(model *m, const model_options *options);

// Other code grows the memory by one or two pages, up to ORACLE_FOREIGN_MAX times.
void model_grow_foreign(model *m);

// Return and free a random block. model_block returns NULL if it chose a foreign extent.
const oracle_extent *model_block(model *m);
void model_free(model *m, const oracle_extent *block);
static inline uint32_t model_blocks(const model *m) {
    return m->heap.oracle.count - m->heap.oracle.foreign;
}

// Check the heap and its census, and the content of every block.
void model_walk(model *m);
void model_check_contents(model *m);

// Frees everything, checks the empty heap and destroys the memory.
void model_end(model *m);
