#include "corpus/player.h"

#include <string.h>

enum { TOUCH_STRIDE = 4096 };

// Writes one byte in every 4 KiB of bytes from … size − 1 of a block, and the last one.
static void touch_far(unsigned char *block, size_t from, size_t size) {
    if (from >= size) return;
    for (size_t at = from; at < size; at += TOUCH_STRIDE)
        ((volatile unsigned char *)block)[at] = 1;
    ((volatile unsigned char *)block)[size - 1] = 1;
}

static inline void touch(void *block, size_t size) {
    if (__builtin_expect(size - 1 < TOUCH_STRIDE, 1)) { // 1 … 4096
        ((volatile unsigned char *)block)[0] = 1;
        ((volatile unsigned char *)block)[size - 1] = 1;
    } else {
        touch_far(block, 0, size);
    }
}

// After the base has moved: blocks lie where they lay, from the base.
static void rebase(player *player, const unsigned char *old_base) {
    ptrdiff_t distance = player->memory->base - old_base;
    for (uint32_t i = 0; i < player->program->slots; i++)
        if (player->slots[i]) player->slots[i] = (unsigned char *)player->slots[i] + distance;
}

// What happens around the heap. A move leaves the timed loop's pointers behind, so they follow
// here.
static void surroundings(player *player, program_verb verb, uint32_t number) {
    if (!player->memory) return; // nobody else can grow a host's memory
    const unsigned char *base = player->memory->base;
    if (verb == PROGRAM_GROW)
        lm_memory_grow_foreign(player->memory, number);
    else if (verb == PROGRAM_REFUSE)
        lm_memory_refuse(player->memory, number);
    else
        lm_memory_move(player->memory);
    if (player->memory->base != base) rebase(player, base);
}

static void observe_after(player *player, const player_observer *observer, player_event *event,
                          void *block, const unsigned char *base) {
    if (player->memory && player->memory->base != base) rebase(player, base);
    event->block = block;
    observer->after(observer->context, event);
}

// The one loop. `observer` is a constant NULL in the timed instance, and all that asks for it is
// gone from its code.
static inline __attribute__((always_inline)) void
play(player *const player, uint64_t first, uint64_t end, const player_observer *observer) {
    const program_step *const steps = program_steps(player->program);
    const lm_allocator *const table = player->allocator;
    lm_memory *const memory = player->memory;
    void **const slots = player->slots;
    for (const program_step *step = steps + first; step < steps + end; step++) {
        const program_verb verb = step->slot_and_verb & ((1u << PROGRAM_VERB_BITS) - 1);
        const uint32_t slot = step->slot_and_verb >> PROGRAM_VERB_BITS;
        const size_t size = step->size;
        const unsigned char *const base = observer && memory ? memory->base : NULL;
        player_event event;
        if (observer) {
            event = (player_event){(uint64_t)(step - steps),
                                   verb,
                                   slot,
                                   slots[slot],
                                   size,
                                   program_step_alignment(step),
                                   program_step_old_size(step)};
            observer->before(observer->context, &event);
        }
        size_t touched = 0; // bytes of the block that have been touched before
        void *block = slots[slot];
        switch (verb) {
        case PROGRAM_ALLOCATE:
            block = table->allocate(size, memory);
            break;
        case PROGRAM_FREE:
            table->free(block, 0, memory);
            block = NULL;
            if (observer) break;
            continue;
        case PROGRAM_ZEROED:
            block = table->allocate_zeroed(size, memory);
            break;
        case PROGRAM_ALIGNED:
        case PROGRAM_ALIGNED_ZEROED:
            block = table->allocate_aligned((++step)->slot_and_verb, size, memory);
            if (verb == PROGRAM_ALIGNED_ZEROED && block) memset(block, 0, size);
            break;
        case PROGRAM_RESIZE:
        case PROGRAM_ALIGNED_RESIZE:
            touched = (++step)->size;
            if (!block) break; // it failed before, and fails again
            block = verb == PROGRAM_RESIZE
                        ? table->resize(block, size, memory)
                        : table->resize_aligned(block, size, step->slot_and_verb, memory);
            if (block) break;
            player->failures++; // the block is as it was
            if (observer) observe_after(player, observer, &event, NULL, base);
            continue;
        case PROGRAM_GROW:
        case PROGRAM_REFUSE:
        case PROGRAM_MOVE:
            surroundings(player, verb, step->size);
            continue;
        }
        if (observer) observe_after(player, observer, &event, block, base);
        slots[slot] = block;
        if (!block)
            player->failures += verb != PROGRAM_FREE;
        else if (observer)
            continue; // which touches as it likes
        else if (!touched)
            touch(block, size);
        else
            touch_far(block, touched, size);
    }
}

__attribute__((noinline)) void player_play(player *player) {
    play(player, 0, player->program->steps_timed, NULL);
}

void player_close(player *player) {
    play(player, player->program->steps_timed, player->program->steps, NULL);
}

void player_play_observed(player *player, const player_observer *observer) {
    play(player, 0, player->program->steps, observer);
}
