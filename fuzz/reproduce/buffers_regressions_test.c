// Plays the traces of buffers in corpus/regressions, one for each bug that was found, in the world
// that their comment names: with the widths of the fuzz target, at levels 0 and 1, with a walk
// after every operation.
#include "cli/test.h"
#include "fuzz/play/buffer_player.h"

#include "fuzz/play/buffers_world.h"

#include <dirent.h>
#include <string.h>

#define FOLDER "corpus/regressions"

static buffers_world world;

static void play(const char *name, const trace *trace, const buffers_world_choice *choice,
                 int level) {
    buffer_played played;
    trace_error error;
    // If a heap has no room, the trace shows nothing and must be replaced.
    if (!buffers_world_start(&world, choice, level, trace->operations, trace->count))
        fail_msg("%s: a heap does not start", name);
    buffer_player_options options = {.counts =
                                         choice->atomic ? &lm_counts_atomic : &lm_counts_plain,
                                     .memories = world.served,
                                     .count = choice->count,
                                     .skipped = choice->skipped,
                                     .walk_every = 1,
                                     .budget = buffers_budgets[choice->budget]};
    if (!buffer_player_play(trace, &options, &played, &error))
        fail_msg("%s, level %d: %s", name, level, error.text);
}

// Returns whether it is one of buffers.
static bool play_at_both_levels(const char *name) {
    char path[300];
    trace trace;
    trace_error error;
    buffers_world_choice choice;
    snprintf(path, sizeof path, FOLDER "/%s", name);
    if (!trace_read(path, &trace, &error)) fail_msg("%s: %s", path, error.text);
    bool buffers = buffers_world_of(&trace, &choice);
    for (int level = 0; buffers && level < 2; level++)
        play(name, &trace, &choice, level);
    trace_free(&trace);
    return buffers;
}

TEST(no_regression_fails) {
    DIR *folder = opendir(FOLDER);
    size_t count = 0;
    assert_non_null(folder);
    assert_true(buffers_world_create(&world));
    for (struct dirent *entry; (entry = readdir(folder));)
        if (strstr(entry->d_name, ".lmt")) count += play_at_both_levels(entry->d_name);
    closedir(folder);
    buffers_world_destroy(&world);
    print_message("%zu regressions\n", count);
    assert_true(count > 0);
}

TEST_MAIN(NULL, NULL)
