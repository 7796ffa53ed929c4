// The player: plays a program on an allocator behind the opaque table.
//
// One loop serves every allocator and every use; what is to be checked beside it is an observer's,
// whose absence costs nothing. Memory that is handed out is touched: one byte in every 4 KiB and the
// last byte, as the program that was recorded would at least have done.
#pragma once

#include "alloc/allocator.h"
#include "corpus/program.h"

typedef struct player {
    const lm_allocator *allocator;
    lm_memory *memory; // where the allocator serves one; else NULL
    const program *program;
    void **slots;      // program->slots of them, all NULL at the start of a pass
    uint64_t failures; // allocations and resizes that gave NULL
} player;

// Told of every call, with the time stopped. `step` counts from 0 within the program.
typedef struct player_observer {
    void *context;
    // After a block came; `old` is NULL, or what was resized (gone by now if the address changed).
    // `block` may be NULL: it failed.
    void (*allocated)(void *context, uint64_t step, uint32_t slot, void *block, size_t size,
                      size_t alignment, bool zeroed);
    void (*resizing)(void *context, uint64_t step, uint32_t slot, void *block);
    void (*resized)(void *context, uint64_t step, uint32_t slot, void *block, size_t size,
                    size_t alignment);
    void (*freeing)(void *context, uint64_t step, uint32_t slot, void *block);
} player_observer;

// Plays the steps that are timed. Nothing is allocated but through the table.
void player_play(player *player);

// Plays the steps that close the trace; every slot is NULL after it.
void player_close(player *player);

// Both, observed.
void player_play_observed(player *player, const player_observer *observer);
