// The buffer player: plays a trace for real, through alloc/buffer.h, view.h and finalizer.h, on any
// strategies, and holds it against the model (corpus/buffer_model.h) after each operation.
//
// What is held: each call succeeds or is refused as the model says; as many buffers live, in each
// memory and in all; those that died are dead to their handles, those that live lie where they lay,
// aligned; and their bytes, filled at their creation and copied by `y`, are what they were until
// the last moment. Blocks (a z r f) are played beside, and their bytes left alone.
//
// One thread plays all lanes. Where memory is wanting for what a trace begins, it begins as
// nothing; a transfer does not happen; what could not be attached is released by hand when it is
// drained.
#pragma once

#include "alloc/finalizer.h"
#include "alloc/view.h"
#include "corpus/trace.h"

typedef struct buffer_player_options {
    const lm_counts *counts;
    // Started, and the player's alone. The trace's memory N is memory N modulo `count`; home is the
    // first.
    const lm_served *memories;
    uint32_t count;
    // After every so many operations, and at the end, all is walked: every live buffer's bytes, the
    // realm's tables, the finalizers', and the heaps. 0: at the end only.
    uint32_t walk_every;
} buffer_player_options;

typedef struct buffer_played {
    uint64_t buffers, refused; // created; views and copies that were not to be
    uint64_t failures;         // for want of memory
    uint64_t walks;
} buffer_played;

// False: `error` says at which operation (from 0) what did not hold, or that the player itself is
// out of memory. O(operations + bytes of buffers), and O(live bytes + slots) a walk.
bool buffer_player_play(const trace *trace, const buffer_player_options *options,
                        buffer_played *played, trace_error *error);
