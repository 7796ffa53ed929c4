// Plays the traces of heaps in corpus/regressions, one for each bug that was found: on every
// strategy, at levels 0 and 1 and with its steps counted, with a walk after every operation, with
// each growth failing, with the wrong calls in them, and on all strategies in comparison. Traces of
// buffers: fuzz/reproduce/buffers_regressions_test.c.
#include "cli/test.h"
#include "fuzz/oracle/differential.h"
#include "fuzz/play/out_of_memory.h"

#include "alloc/registry.h"
#include "fuzz/oracle/counted.h"
#include "fuzz/play/buffers_world.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#define FOLDER "corpus/regressions"

static heap_player player;

static void play(const lm_allocator *allocator, bool counted, const trace *trace,
                 const char *name) {
    heap_options options = {
        .allocator = allocator, .counted = counted ? allocator : NULL, .walk_every = 1};
    size_t at;
    out_of_memory played;
    const char *way = counted ? "counted" : allocator->check_level ? "level 1" : "level 0";
    if (!heap_player_run(&player, &options, trace->operations, trace->count, &at))
        fail_msg("%s on %s, %s: operation %zu breaks %s: %s", name, allocator->name, way, at,
                 law_names[player.heap.oracle.broken], player.heap.oracle.finding);
    if (!out_of_memory_run(&player, &options, trace->operations, trace->count, &played))
        fail_msg("%s on %s, %s, growth refused at operation %zu: operation %zu breaks %s: %s", name,
                 allocator->name, way, played.operation, played.at,
                 law_names[player.heap.oracle.broken], player.heap.oracle.finding);
}

static bool has_wrong_calls(const trace *trace) {
    for (size_t i = 0; i < trace->count; i++)
        if (trace->operations[i].verb == TRACE_WRONG) return true;
    return false;
}

static void play_wrongly(const lm_allocator *allocator, const trace *trace, const char *name) {
    heap_options options = {.allocator = allocator, .walk_every = 1, .wrong_calls = true};
    size_t at;
    if (!heap_player_run(&player, &options, trace->operations, trace->count, &at))
        fail_msg("%s on %s: operation %zu breaks %s: %s", name, allocator->name, at,
                 law_names[player.heap.oracle.broken], player.heap.oracle.finding);
}

static void play_together(const trace *trace, int level, const char *name) {
    static differential all;
    heap_options options = {.walk_every = 0};
    size_t at;
    all.count = lm_strategy_count();
    for (size_t i = 0; i < all.count; i++)
        all.allocators[i] = lm_strategy_at(i, level);
    if (!differential_run(&all, &player, &options, trace->operations, trace->count, &at))
        fail_msg("%s, level %d: operation %zu breaks %s: %s", name, level, at,
                 law_names[all.broken], all.finding);
}

static bool is_of_buffers(const trace *trace) {
    buffers_world_choice world;
    return buffers_world_of(trace, &world);
}

// Returns false if it is a trace of buffers.
static bool play_on_all(const char *name) {
    char path[300];
    trace trace;
    trace_error error;
    snprintf(path, sizeof path, FOLDER "/%s", name);
    if (!trace_read(path, &trace, &error)) fail_msg("%s: %s", path, error.text);
    assert_true(trace.preamble[0]); // which says what was broken
    bool heaps = !is_of_buffers(&trace);
    for (size_t i = 0; heaps && i < lm_strategy_count(); i++) {
        const char *strategy = lm_strategy_at(i, 0)->name;
        play(lm_strategy_at(i, 0), false, &trace, name);
        play(lm_strategy_at(i, 1), false, &trace, name);
        play(counted_strategy_named(strategy), true, &trace, name);
        if (has_wrong_calls(&trace)) play_wrongly(lm_strategy_at(i, 1), &trace, name);
    }
    for (int level = 0; heaps && level < 2; level++)
        play_together(&trace, level, name);
    trace_free(&trace);
    return heaps;
}

TEST(no_regression_fails) {
    DIR *folder = opendir(FOLDER);
    size_t count = 0;
    assert_non_null(folder);
    assert_true(heap_player_create(&player));
    for (struct dirent *entry; (entry = readdir(folder));) {
        if (!strstr(entry->d_name, ".lmt")) continue;
        count += play_on_all(entry->d_name);
    }
    closedir(folder);
    heap_player_destroy(&player);
    print_message("%zu regressions\n", count);
    assert_true(count > 0);
}

TEST_MAIN(NULL, NULL)
