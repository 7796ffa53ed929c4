// A heap as a world: one strategy, in a memory of small pages that nobody else grows but by `g`.
//
// A state is the heap's bytes with junk for the content of all blocks, what lives by its place, and
// the size of the memory. Blocks have no names in it: sequences that differ only in which block
// came first lead to the same state. Moves, on the heap's verbs:
//
//     a   each size                              z   one size
//     r   each live block, to each size          A   two sizes, aligned to 64 and to a page
//     f   each live block                        g   one page of somebody else's, twice at most
//     x   a reset                                t   where threads share: the other one acts
//     ( ) where scopes nest
//
// and each of them once more with each growth that it asks for refused, one after the other. In
// each state, once, all ends, and the heap must be what it was. Before that, in states of up to two
// blocks, the largest sizes are asked for, which must be refused, and in the first 400 of these
// many sizes with all alignments. In the first 100 states the walk goes over heaps of which a word
// is damaged, and must come to its end, and change nothing.
//
// Each move is played twice: on blocks filled with patterns, under the oracle, and on blocks of
// junk, which makes the next state. Both must put blocks at the same places.
#pragma once

#include "fuzz/explore/explorer/explorer.h"
#include "fuzz/explore/explorer/strategies.h"

#define HEAP_WORLD_VERBS "aArzfgx()t"

enum { HEAP_WORLD_SIZES_MAX = 16, HEAP_WORLD_SIZE_MAX = 16384 };

typedef struct heap_world_options {
    const explored_strategy *strategy;
    uint32_t sizes[HEAP_WORLD_SIZES_MAX], size_count;
    const char *verbs; // the letters above that are played
    uint32_t depth;    // how deep it will be explored at most
    bool canonicalize; // else two states that behave alike may count as two
    bool probe;        // sizes that no move asks for, too, and walks over damaged heaps
    bool damage;       // without the sizes: walks over damaged heaps in every end
} heap_world_options;

// NULL: no memory. To be freed with heap_world_free.
explorer_world *heap_world_new(const heap_world_options *options);
void heap_world_free(explorer_world *world);

// How the blocks of a state lie: the same for heaps that look alike from outside.
uint64_t heap_world_layout(const unsigned char *state);
