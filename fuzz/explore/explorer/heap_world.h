// The state space of a heap: one strategy in a memory of small pages, which only `g` grows from
// outside.
//
// A state is the heap's bytes with IMAGE_JUNK for the content of all blocks, the live blocks by
// offset, and the size of the memory. It has no block numbers: sequences that differ only in which
// block was first lead to the same state. Moves, by the heap's verbs:
//
//     a   each size                              z   one size
//     r   each live block, to each size          A   two sizes, aligned to 64 and to a page
//     f   each live block                        g   one foreign page, twice at most
//     x   a reset                                t   switches threads, if they share
//     ( ) if the strategy has scopes
//
// and each of them again with each of its growths failing, one after the other. The end of each
// state frees everything; the heap must then be as at the start. Before that, probes ask for the
// largest sizes, which must fail, in states of up to two blocks, and for many sizes with all
// alignments in the first 400 of these. In the first 100 states heaps with a damaged word are
// walked, which must end and change nothing.
//
// Each move is played twice: on blocks filled with patterns, under the oracle, and on blocks of
// IMAGE_JUNK, which gives the next state. Both must place blocks at the same offsets.
#pragma once

#include "fuzz/explore/explorer/explorer.h"
#include "fuzz/explore/explorer/strategies.h"

#define HEAP_WORLD_VERBS "aArzfgx()t"

enum { HEAP_WORLD_SIZES_MAX = 16, HEAP_WORLD_SIZE_MAX = 16384 };

typedef struct heap_world_options {
    const explored_strategy *strategy;
    uint32_t sizes[HEAP_WORLD_SIZES_MAX], size_count;
    const char *verbs; // the letters above to explore
    uint32_t depth;    // the largest depth
    bool canonicalize; // merges states that behave alike
    bool probe;        // plays probes
    bool damage;       // walks damaged heaps at every end, without other probes
} heap_world_options;

// Returns NULL if out of memory. Free with heap_world_free.
explorer_world *heap_world_new(const heap_world_options *options);
void heap_world_free(explorer_world *world);

// Returns a hash of the offsets and sizes of a state's blocks.
uint64_t heap_world_layout(const unsigned char *state);
