// Buffers as worlds: a buffer table over memories, with two owners, held against the model
// (fuzz/play/buffer_player.h), on counts, generations and tables of a narrow build
// (fuzz/explore/explorer/geometry.h). Each world has its allocators, its counts, and a past:
// buffers and tokens that lived and are gone, whose number decides how the player makes the next
// ones (adopted, resized, beside a sibling, …), and some that stay and fill the tables.
//
// A state is reached by playing its operations again. It is told apart by the bytes of all memories
// with junk for the buffers' content, by the references and tokens that live, in the order of their
// handles, and by the numbers' remainders by which the player chooses. Moves:
//
//     b   three sizes, in the acting owner's memory      m   the other owner acts
//     + - each reference                                 v   a view of each buffer
//     >   each reference, to each owner                  @   each reference, two tokens at most
//     ~ c each token                                     d   one token is drained
//
// and each of them once more with each growth of the acting owner's memory refused. What changes
// nothing is no move, but is played in each state: all wrong calls (corpus/trace/wrong_calls.def),
// on every reference and token that there was. Then, in the first 400 states, views that are
// refused, good ones, views of views, and copies between them, of all pairs of kinds in turn;
// content is not a part of a state. In the end what waits is drained, all is released, and nothing
// may live.
#pragma once

#include "fuzz/explore/explorer/explorer.h"

typedef struct buffer_world_options {
    int check_level;  // 0 or 1
    const char *name; // of the world
    bool probe;       // what changes nothing, too
} buffer_world_options;

// All names; ends with NULL.
extern const char *const buffer_world_names[];

// NULL: no memory, or no such world. To be freed with buffer_world_free.
explorer_world *buffer_world_new(const buffer_world_options *options);
void buffer_world_free(explorer_world *world);
