// The seeds of target `buffers`, played with counts and tables of full width, and the reset of the
// memories.
#include "cli/test.h"
#include "fuzz/play/buffer_player.h"

#include "fuzz/play/buffers_input.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#define SEEDS "corpus/fuzz/buffers"

static trace_operation operations[BUFFERS_INPUT_OPERATIONS_MAX];
static buffers_world world;
static buffer_player player;
static uint64_t played, buffers, wrong;

static size_t read_bytes(const char *path, uint8_t *bytes, size_t max) {
    FILE *stream = fopen(path, "rb");
    assert_non_null(stream);
    size_t count = fread(bytes, 1, max, stream);
    fclose(stream);
    return count;
}

static void play(const char *path, int level) {
    static uint8_t bytes[1 << 16];
    buffers_world_choice choice;
    size_t read = read_bytes(path, bytes, sizeof bytes);
    size_t count =
        buffers_input_decode(bytes, read, &choice, operations, BUFFERS_INPUT_OPERATIONS_MAX);
    if (!buffers_world_start(&world, &choice, level, operations, count)) {
        if (*world.finding) fail_msg("%s, level %d: %s", path, level, world.finding);
        return;
    }
    const buffer_player_options options = {.counts =
                                               choice.atomic ? &lm_counts_atomic : &lm_counts_plain,
                                           .memories = world.served,
                                           .count = choice.count,
                                           .skipped = choice.skipped,
                                           .budget = buffers_budgets[choice.budget]};
    bool started, good = buffer_player_start(&player, &options, &started);
    for (size_t i = 0; good && started && i < count; i++)
        good = buffer_player_step(&player, &operations[i]);
    if (good && started) good = buffer_player_end(&player);
    if (!good) fail_msg("%s, level %d: %s: %s", path, level, player.law, player.finding);
    played += started ? count : 0;
    buffers += player.played.buffers;
    wrong += player.played.wrong;
}

TEST(seeds_hold) {
    const uint32_t most = BUFFERS_INPUT_OPERATIONS_MAX;
    const buffer_limits limits = {most, most, most, most};
    assert_true(buffers_world_create(&world) && buffer_player_create(&player, &limits, 1 << 20));
    DIR *folder = opendir(SEEDS);
    assert_non_null(folder);
    for (struct dirent *entry; (entry = readdir(folder));) {
        char path[400];
        snprintf(path, sizeof path, SEEDS "/%s", entry->d_name);
        for (int level = 0; entry->d_name[0] != '.' && level < 2; level++)
            play(path, level);
    }
    closedir(folder);
    assert_true(played > 10000 && buffers > 1000 && wrong > 100);
    buffer_player_destroy(&player);
    buffers_world_destroy(&world);
}

// A new start clears what was written, and starts heaps where the operations say.
TEST(worlds_begin_anew) {
    const buffers_world_choice choice = {.count = 2, .servers = {0, 1}};
    const trace_operation heaps[] = {{TRACE_MEMORY, {1}},
                                     {TRACE_HEAP, {4294901760u, 65535, 65536}}};
    assert_true(buffers_world_create(&world));
    assert_true(buffers_world_start(&world, &choice, 1, heaps, 2));
    assert_int_equal(world.served[0].memory->heap_start, 16);
    assert_int_equal(world.served[1].memory->heap_start, 4294901760u);
    assert_int_equal(lm_memory_pages(world.served[1].memory), 65536);
    unsigned char *block = world.served[0].allocator->allocate(100, world.served[0].memory);
    uint32_t offset = lm_offset(world.served[0].memory, block);
    memset(block, 7, 100);
    assert_true(buffers_world_start(&world, &choice, 1, heaps, 0));
    assert_int_equal(world.served[1].memory->heap_start, 16);
    assert_int_equal(lm_memory_pages(world.served[0].memory), 1);
    assert_int_equal(*(unsigned char *)lm_at(world.served[0].memory, offset), 0);
    const trace_operation none[] = {{TRACE_HEAP, {65536, 1, 1}}};
    assert_false(buffers_world_start(&world, &choice, 1, none, 1));
    assert_string_equal(world.finding, ""); // no room
    buffers_world_destroy(&world);
}

TEST_MAIN(NULL, NULL)
