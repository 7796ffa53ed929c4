// Included by reproducers of buffers: plays a trace as the fuzz target `buffers` does, by the same
// player and oracle. The reproducer defines STRATEGIES, those that its trace's world names.
#pragma once

// Reference counts a second time: atomic, and interrupted by the player.
#define LM_ATOMIC_COUNTS
#include "fuzz/play/buffer_interrupt.h"

#include "alloc/buffers/counts.c"

#include "alloc/registry.h"
#include "corpus/trace/trace_form.h"
#include "fuzz/play/buffer_player.h"
#include "fuzz/play/buffers_world.h"
#include "fuzz/reproduce/reproducer_common.h"

// The registry, at one check level.
#define STRATEGY(name) extern const lm_allocator LM_TABLE(name);
STRATEGIES
#undef STRATEGY
#define STRATEGY(name) &LM_TABLE(name),
static const lm_allocator *const strategies[] = {STRATEGIES};
#undef STRATEGY

size_t lm_strategy_count(void) {
    return sizeof strategies / sizeof *strategies;
}
const lm_allocator *lm_strategy_at(size_t index, int check_level) {
    (void)check_level;
    return strategies[index];
}
const lm_allocator *lm_strategy_named(const char *name, int check_level) {
    for (size_t i = 0; i < lm_strategy_count(); i++)
        if (strcmp(strategies[i]->name, name) == 0) return lm_strategy_at(i, check_level);
    return NULL;
}

static void read_trace(const char *text, trace *trace, buffers_world_choice *choice) {
    trace_error error = {"it names no world"};
    trace_builder *builder = trace_builder_new();
    if (builder && trace_text_parse(text, strlen(text), builder, &error) &&
        trace_builder_finish(builder, trace, &error) && buffers_world_of(trace, choice))
        return;
    printf("the trace: %s\n", error.text);
    exit(2);
}

// Plays the operations up to an exit, and then what ends a play.
static void play(const char *text) {
    static buffers_world world;
    static buffer_player player;
    static trace t;
    buffers_world_choice choice;
    read_trace(text, &t, &choice);
    const buffer_limits limits = buffer_limits_of(&t);
    if (!buffers_world_create(&world) ||
        !buffer_player_create(&player, &limits, BUFFERS_CONTENT_BYTES))
        perror("no memory"), exit(2);
    unit = "operation";
    catch_signals();
    bool room = buffers_world_start(&world, &choice, LM_CHECK_LEVEL, t.operations, t.count);
    const lm_counts *counts = choice.atomic ? &lm_counts_atomic : &lm_counts_plain;
    const buffer_player_options options = {.counts = counts,
                                           .memories = world.served,
                                           .count = choice.count,
                                           .skipped = choice.skipped,
                                           .budget = buffers_budgets[choice.budget]};
    if (*world.finding) broken("start", "%s", world.finding);
    bool good = !room || buffer_player_start(&player, &options, &room);
    for (; good && room && call < t.count && t.operations[call].verb != TRACE_EXIT; call += good)
        good = buffer_player_step(&player, &t.operations[call]);
    if (good && room) good = buffer_player_end(&player);
    if (!good) broken(player.law, "%s", player.finding);
}

static int end(void) {
    puts("nothing is broken");
    return 0;
}
