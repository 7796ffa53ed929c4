// Buffers as a world: a realm over two memories, home served by tlsf and the other one by paged,
// with two owners, held against the model (corpus/buffer_player.h).
//
// A state is reached by playing its operations again, on the counts and tables of a narrow build
// (fuzz/explorer/geometry.h). It is told apart by the bytes of both memories with junk for the
// buffers' content, and by the references and tokens that live, in the order of their handles: who
// was named first does not matter. The player chooses between calls that come to the same by the
// numbers of what they name; of two such ways to one state the first one goes on. Moves:
//
//     b   two sizes, in the acting owner's memory        m   the other owner acts
//     + - each reference                                 v   a view of each buffer
//     >   each reference, to the other owner             @   each reference, two tokens at most
//     ~ c each token                                     d   one token is drained
//
// and each of them once more with each growth of the acting owner's memory refused. In each state,
// once, all is released, and nothing may live.
#pragma once

#include "fuzz/explorer/explorer.h"

// At check level 0 or 1. NULL: no memory. To be freed with buffer_world_free.
explorer_world *buffer_world_new(int check_level);
void buffer_world_free(explorer_world *world);
