// The player: plays a program on an allocator behind the opaque table.
//
// One loop serves every allocator and every use; what is to be checked beside it is an observer's,
// whose absence costs nothing. Memory that is handed out is touched: one byte in every 4 KiB and
// the last byte, as the program that was recorded would at least have done.
#pragma once

#include "alloc/allocator.h"
#include "corpus/replay/replay.h"

typedef struct player {
    const lm_allocator *allocator;
    lm_memory *memory; // where the allocator serves one; else NULL
    const program *program;
    void **slots;      // program->slots of them
    uint64_t failures; // allocations and resizes that gave NULL; such a block is then left out
} player;

typedef struct player_event {
    uint64_t step; // within the program
    program_verb verb;
    uint32_t slot;
    void *block; // before: what the slot holds; after: what the call returned, NULL where it failed
    size_t size, alignment, old_size;
} player_event;

// Told before and after every heap call. It may read and write the blocks, as their owner.
typedef struct player_observer {
    void *context;
    void (*before)(void *context, const player_event *event);
    void (*after)(void *context, const player_event *event);
} player_observer;

// Plays the steps that are timed. Nothing is allocated but through the table. The memory must not
// be one that moves when it grows: that is for observed plays.
void player_play(player *player);

// Plays the steps that close the trace, after which none of its blocks is live.
void player_close(player *player);

// Plays what a lane of the timed steps does, on a thread of its own, while the others play theirs.
// `turns` is common to all, a word for each of the program's slots, 0 at the start of a pass; of
// the player, all but the slots is the thread's own.
void player_play_lane(player *player, uint32_t lane, uint32_t *turns);

// All of it, observed.
void player_play_observed(player *player, const player_observer *observer);
