// Fuzz target: buffers, views and finalizers in one to four memories, on all strategies and on
// imported allocators, checked against the model (fuzz/play/buffer_player.h). Counts, generations
// and tables are narrow, so that inputs reach their limits.
#include "fuzz/play/buffer_player.h"
#include "fuzz/play/buffers_input.h"
#include "fuzz/targets/target.h"

#include <stdio.h>

_Static_assert(BUFFERS_MEMORIES_MAX + BUFFERS_SKIPPED_MAX <= LM_MEMORIES_MAX,
               "a buffer table has them");

static buffer_player player;
static buffers_world world;

int LLVMFuzzerInitialize(int *argc, char ***argv) {
    const buffer_limits limits = {
        .buffers = BUFFERS_INPUT_OPERATIONS_MAX,
        .references = BUFFERS_INPUT_OPERATIONS_MAX,
        .tokens = BUFFERS_INPUT_OPERATIONS_MAX,
        .blocks = BUFFERS_INPUT_OPERATIONS_MAX,
    };
    target_begin(*argc, *argv);
    if (!buffer_player_create(&player, &limits, BUFFERS_CONTENT_BYTES) ||
        !buffers_world_create(&world)) {
        perror("linmem-fuzz: no memory");
        return 2;
    }
#ifndef STORES_UNTOLD // without trace-stores
    buffers_world_watch(&world);
#endif
    target_measure();
    return 0;
}

_Noreturn static void fail(const char *when) {
    char how[240];
    snprintf(how, sizeof how, "%s: %s", when, player.finding);
    target_fail(law_named(player.law), how);
}

static void play(const buffer_player_options *options, const trace_operation *operations,
                 size_t count) {
    bool started;
    if (!buffer_player_start(&player, options, &started)) fail("at the start");
    if (!started) return;
    for (size_t i = 0; i < count; i++) {
        if (buffer_player_step(&player, &operations[i])) continue;
        char when[60];
        snprintf(when, sizeof when, "operation %zu of %zu", i, count);
        fail(when);
    }
    if (!buffer_player_end(&player)) fail("at the end");
    target_operations += count;
}

void target_input(const uint8_t *bytes, size_t count) {
    static trace_operation operations[BUFFERS_INPUT_OPERATIONS_MAX];
    buffers_world_choice choice;
    size_t decoded =
        buffers_input_decode(bytes, count, &choice, operations, BUFFERS_INPUT_OPERATIONS_MAX);
    if (!buffers_world_start(&world, &choice, target.level, operations, decoded)) {
        if (*world.finding) target_fail(LAW_start, world.finding);
        return;
    }
    buffer_player_options options = {.counts = choice.atomic ? &lm_counts_atomic : &lm_counts_plain,
                                     .memories = world.served,
                                     .count = choice.count,
                                     .skipped = choice.skipped,
                                     .walk_every = target.walk_every,
                                     .budget = buffers_budgets[choice.budget]};
    play(&options, operations, decoded);
}

size_t LLVMFuzzerCustomMutator(uint8_t *bytes, size_t count, size_t max, unsigned seed) {
    if (seed % 32 == 0) return LLVMFuzzerMutate(bytes, count, max);
    return buffers_input_mutate(bytes, count, max, seed);
}

size_t LLVMFuzzerCustomCrossOver(const uint8_t *first, size_t first_count, const uint8_t *second,
                                 size_t second_count, uint8_t *bytes, size_t max, unsigned seed) {
    return buffers_input_cross(first, first_count, second, second_count, bytes, max, seed);
}
