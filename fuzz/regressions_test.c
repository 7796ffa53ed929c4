// Every bug that was found is a trace in corpus/regressions. Those of heaps are played here on every
// strategy, at levels 0 and 1 and with its steps counted, walked after every operation; and with
// each of its growths refused. Those of buffers: fuzz/buffers_regressions_test.c.
#include "fuzz/out_of_memory.h"

#include "alloc/registry.h"
#include "fuzz/buffers_world.h"
#include "fuzz/counted.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

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
                 law_names[player.oracle.broken], player.oracle.finding);
    if (!out_of_memory_run(&player, &options, trace->operations, trace->count, &played))
        fail_msg("%s on %s, %s, growth refused at operation %zu: operation %zu breaks %s: %s", name,
                 allocator->name, way, played.operation, played.at, law_names[player.oracle.broken],
                 player.oracle.finding);
}

static bool is_of_buffers(const trace *trace) {
    buffers_world_choice world;
    return buffers_world_of(trace, &world);
}

// False: it is no heap's.
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
    }
    trace_free(&trace);
    return heaps;
}

static void all_hold(void **state) {
    (void)state;
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

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(all_hold)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
