// State spaces of buffers: a buffer table over several memories, with two owners, checked against
// the model (fuzz/play/buffer_player.h), with the narrow counts, generations and tables of
// fuzz/explore/explorer/geometry.h. Each has its allocators, its way of counting, and setup
// operations: buffers and tokens that have ended, whose number decides how the player makes the
// next ones (adopted, resized, beside a sibling, …), and some that stay and fill the tables.
//
// A state is reached by replaying its operations. Its identity is the bytes of all memories, with
// IMAGE_JUNK for the buffers' content, the live references and tokens in the order of their
// handles, and the remainders of the numbers by which the player chooses. Moves:
//
//     b   three sizes, in the acting owner's memory      m   switches to the other owner
//     + - each reference                                 v   a view of each buffer
//     >   each reference, to each owner                  @   each reference, two tokens at most
//     ~ c each token                                     d   one token is drained
//
// and each of them again with each growth of the acting owner's memory failing. Calls that change
// nothing are no moves but probes of each state: all wrong calls (corpus/trace/wrong_calls.def) on
// every reference and token so far and, in the first 400 states, invalid views, valid ones, views
// of views, and copies between them, of all pairs of kinds in turn. The end of each state drains
// all waiting tokens and releases everything; nothing may then be allocated.
#pragma once

#include "fuzz/explore/explorer/explorer.h"

typedef struct buffer_world_options {
    int check_level;
    const char *name; // in buffer_world_names
    bool probe;       // plays probes
} buffer_world_options;

// Ended by NULL.
extern const char *const buffer_world_names[];

// Returns NULL if out of memory or if the name is unknown. Free with buffer_world_free.
explorer_world *buffer_world_new(const buffer_world_options *options);
void buffer_world_free(explorer_world *world);
