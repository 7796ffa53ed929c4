#include "corpus/replay/player.h"

#include <sched.h>
#include <string.h>

// The table is opaque, so that all allocators are called in the same way. One form of
// bench/engines/module/ names the table here, to show what direct calls save.
#ifndef PLAYER_TABLE
#define PLAYER_TABLE(player) ((player)->allocator)
#endif

// A cache line less than a page: touches every page, in different sets of the cache.
enum { PAGE_BYTES = 4096, TOUCH_STRIDE = PAGE_BYTES - 64 };

// Writes one byte of every page of the bytes from … size − 1 of a block, and the last byte.
static void player_touch_far(unsigned char *block, size_t from, size_t size) {
    if (from >= size) return;
    for (size_t at = from; at < size; at += TOUCH_STRIDE)
        ((volatile unsigned char *)block)[at] = 1;
    ((volatile unsigned char *)block)[size - 1] = 1;
}

static inline void player_touch(void *block, size_t size) {
    if (__builtin_expect(size - 1 < PAGE_BYTES, 1)) { // 1 … 4096
        ((volatile unsigned char *)block)[0] = 1;
        ((volatile unsigned char *)block)[size - 1] = 1;
    } else {
        player_touch_far(block, 0, size);
    }
}

// Adjusts the slots after the base has moved.
static void player_rebase(player *player, const unsigned char *old_base) {
    ptrdiff_t distance = lm_memory_base(player->memory) - old_base;
    for (uint32_t i = 0; i < player->replay->slots; i++)
        if (player->slots[i]) player->slots[i] = (unsigned char *)player->slots[i] + distance;
}

// Plays an operation on the memory itself. Adjusts the slots after a move.
static void player_surroundings(player *player, replay_verb verb, uint32_t number) {
    if (!player->memory) return; // a system malloc
    const unsigned char *base = lm_memory_base(player->memory);
    if (verb == REPLAY_GROW)
        lm_memory_grow_foreign(player->memory, number);
    else if (verb == REPLAY_REFUSE)
        lm_memory_refuse(player->memory, number);
    else
        lm_memory_move(player->memory);
    if (lm_memory_base(player->memory) != base) player_rebase(player, base);
}

static void player_observe_after(player *player, const player_observer *observer,
                                 player_event *event, void *block, const unsigned char *base) {
    if (player->memory && lm_memory_base(player->memory) != base) player_rebase(player, base);
    event->block = block;
    observer->after(observer->context, event);
}

// Stores an allocated block in its slot, or NULL.
static inline void player_store(player *player, void **slot, const replay_step *step, void *block) {
    *slot = block;
    if (__builtin_expect(block != NULL, 1))
        player_touch(block, step->size);
    else
        player->failures++;
}

// Stores a resized block in its slot, unless it is NULL: the slot then keeps the old block.
static inline void player_store_resized(player *player, void **slot, const replay_step *step,
                                        void *block) {
    if (__builtin_expect(block != NULL, 1))
        player_touch_far(*slot = block, step[1].size, step->size);
    else
        player->failures++;
}

// The verbs of groups. `slots` and the allocator's functions are variables of the caller.
#define SLOT(step)        (&slots[replay_step_slot(step)])
#define DO_ALLOCATE(step) player_store(player, SLOT(step), step, allocate((step)->size, memory))
#define DO_ZEROED(step)   player_store(player, SLOT(step), step, zeroed((step)->size, memory))
#define DO_FREE(step)     release(*SLOT(step), 0, memory)

#define GROUP(a, b, c, d)                                                                          \
    case REPLAY_GROUP_CODE(REPLAY_##a, REPLAY_##b, REPLAY_##c, REPLAY_##d):                        \
        DO_##a(step);                                                                              \
        DO_##b(step + 1);                                                                          \
        DO_##c(step + 2);                                                                          \
        DO_##d(step + 3);                                                                          \
        step += REPLAY_GROUP_STEPS;                                                                \
        continue;
#define GROUPS_OF_3(a, b, c) GROUP(a, b, c, ALLOCATE) GROUP(a, b, c, FREE) GROUP(a, b, c, ZEROED)
#define GROUPS_OF_2(a, b)                                                                          \
    GROUPS_OF_3(a, b, ALLOCATE) GROUPS_OF_3(a, b, FREE) GROUPS_OF_3(a, b, ZEROED)
#define GROUPS_OF_1(a) GROUPS_OF_2(a, ALLOCATE) GROUPS_OF_2(a, FREE) GROUPS_OF_2(a, ZEROED)

// Plays one step of any verb. In the timed loop `observer` is a constant NULL, and the compiler
// removes all code for it.
static inline __attribute__((always_inline)) void
player_play_step(player *const player, const replay_step *const step,
                 const player_observer *observer) {
    const lm_allocator *const table = player->allocator;
    lm_memory *const memory = player->memory;
    const replay_verb verb = replay_step_verb(step);
    const uint32_t slot = replay_step_slot(step);
    const size_t size = step->size, alignment = replay_step_alignment(step);
    const unsigned char *const base = observer && memory ? lm_memory_base(memory) : NULL;
    void *block = player->slots[slot];
    player_event event;
    if (verb >= REPLAY_GROW) {
        player_surroundings(player, verb, step->size);
        return;
    }
    if (observer) {
        event = (player_event){(uint64_t)(step - replay_steps(player->replay)),
                               verb,
                               slot,
                               block,
                               size,
                               alignment,
                               replay_step_old_size(step)};
        observer->before(observer->context, &event);
    }
    size_t touched = 0; // bytes of the block that were touched before
    bool kept = false;  // a failed resize keeps the block
    switch (verb) {
    case REPLAY_ALLOCATE:
        block = table->allocate(size, memory);
        break;
    case REPLAY_FREE:
        table->free(block, 0, memory);
        block = NULL;
        break;
    case REPLAY_ZEROED:
        block = table->allocate_zeroed(size, memory);
        break;
    case REPLAY_ALIGNED_ZEROED:
    case REPLAY_ALIGNED:
        block = table->allocate_aligned(alignment, size, memory);
        if (verb == REPLAY_ALIGNED_ZEROED && block) memset(block, 0, size);
        break;
    default: // a resize
        touched = step[1].size;
        kept = block != NULL; // else its allocation failed, and the resize fails too
        if (kept)
            block = verb == REPLAY_RESIZE ? table->resize(block, size, memory)
                                          : table->resize_aligned(block, size, alignment, memory);
    }
    player->failures += !block && verb != REPLAY_FREE;
    if (observer) player_observe_after(player, observer, &event, block, base);
    if (!block && kept) return;
    player->slots[slot] = block;
    if (!block || observer) return; // an observer writes to blocks itself
    if (touched)
        player_touch_far(block, touched, size);
    else
        player_touch(block, size);
}

static void player_play_steps(player *const player, uint64_t first, uint64_t end) {
    const replay_step *step = replay_steps(player->replay) + first;
    const replay_step *const last = replay_steps(player->replay) + end;
    lm_memory *const memory = player->memory;
    void **const slots = player->slots;
    const lm_allocator *const table = PLAYER_TABLE(player);
    void *(*const allocate)(size_t, lm_memory *) = table->allocate;
    void *(*const zeroed)(size_t, lm_memory *) = table->allocate_zeroed;
    void *(*const resize)(void *, size_t, lm_memory *) = table->resize;
    void (*const release)(void *, size_t, lm_memory *) = table->free;
    while (step < last) {
        switch (replay_step_code(step)) {
            GROUPS_OF_1(ALLOCATE)
            GROUPS_OF_1(FREE)
            GROUPS_OF_1(ZEROED)
        case REPLAY_RESIZE:
            if (!*SLOT(step))
                player->failures++; // its allocation failed
            else
                player_store_resized(player, SLOT(step), step,
                                     resize(*SLOT(step), step->size, memory));
            step += 2;
            continue;
        default: // rare, and not in groups
            player_play_step(player, step, NULL);
            step += replay_verb_steps(replay_step_verb(step));
        }
    }
}

// Waits for the operations that were recorded earlier on the slot.
static inline void player_await(const uint32_t *turn, uint32_t wanted) {
    enum { SPINS = 4096 };
    for (uint32_t spins = 0; __atomic_load_n(turn, __ATOMIC_ACQUIRE) != wanted; spins++)
        if (spins % SPINS == SPINS - 1) sched_yield(); // there may be fewer cores than lanes
}

void player_play_lane(player *player, uint32_t lane, uint32_t *turns) {
    const replay_turn *all = replay_turns(player->replay);
    const replay_turn *turn = all + (lane ? player->replay->lane_ends[lane - 1] : 0);
    const replay_turn *const last = all + player->replay->lane_ends[lane];
    for (; turn < last; turn++) {
        const replay_step steps[2] = {{turn->slot << REPLAY_VERB_BITS | turn->verb, turn->size},
                                      {turn->alignment, turn->old_size}};
        player_await(&turns[turn->slot], turn->turn);
        player_play_step(player, steps, NULL);
        __atomic_store_n(&turns[turn->slot], turn->turn + 1, __ATOMIC_RELEASE);
    }
}

void player_play(player *player) {
    player_play_steps(player, 0, player->replay->steps_timed);
}

void player_close(player *player) {
    player_play_steps(player, player->replay->steps_timed, player->replay->steps);
}

void player_play_observed(player *player, const player_observer *observer) {
    const replay_step *step = replay_steps(player->replay);
    const replay_step *const last = step + player->replay->steps;
    while (step < last) {
        player_play_step(player, step, observer);
        step += replay_verb_steps(replay_step_verb(step));
    }
}
