// The player: plays a replay on an allocator, through its table of functions.
//
// One loop serves all allocators and uses; an optional observer checks each call, and costs nothing
// if absent. The player writes to allocated memory: one byte in every 4 KiB and the last byte, the
// least that the recorded program would have done.
#pragma once

#include "alloc/allocator.h"
#include "corpus/replay/replay.h"

typedef struct player {
    const lm_allocator *allocator;
    lm_memory *memory; // the one that the allocator serves, or NULL
    const replay *replay;
    void **slots;      // replay->slots in number
    uint64_t failures; // allocations and resizes that returned NULL, and resizes of missing blocks
} player;

typedef struct player_event {
    uint64_t step; // in the replay
    replay_verb verb;
    uint32_t slot;
    void *block; // before: the slot's content; after: the returned block, NULL if it failed
    size_t size, alignment, old_size;
} player_event;

// Called before and after every heap call. It may read and write all live blocks.
typedef struct player_observer {
    void *context;
    void (*before)(void *context, const player_event *event);
    void (*after)(void *context, const player_event *event);
} player_observer;

// Plays the timed steps. Allocates only through the table. The memory must not be in moving mode,
// which only player_play_observed supports.
void player_play(player *player);

// Plays the steps that close the trace; after them none of its blocks is live.
void player_close(player *player);

// Plays a lane of the timed steps on the calling thread, at the same time as other threads play the
// other lanes. All threads share `turns`, a word for each slot of the replay, 0 at the start of a
// pass, and the slots; each has its own player otherwise.
void player_play_lane(player *player, uint32_t lane, uint32_t *turns);

// Plays all steps, timed and closing, with an observer.
void player_play_observed(player *player, const player_observer *observer);
