// A strategy leaves the same bytes natively and on wasm32:
// same_bytes_test STRATEGY LEVEL NODE MODULE. After some numbers of steps both sides print a line
// on the heap's state, and the lines must be equal (alloc/wasm/same_bytes.h has the conditions).
#include "alloc/registry.h"
#include "alloc/wasm/same_bytes.h"
#include "cli/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// In the first page, above the data that the linker places in a module.
enum { HEAP_START = 32768, PAGES = 1 };

static const uint32_t stops[] = {0, 1, 10, 100, 300, 1000, 2000, 3000, 4000, 5000, 6000};
enum { STOPS = sizeof stops / sizeof *stops, LINE_BYTES = 200 };

static const lm_allocator *subject;
static const char *node, *module;

static lm_memory make(void) {
    lm_memory memory;
    assert_true(lm_memory_create(
        &memory,
        &(lm_memory_options){.pages = PAGES, .pages_max = LM_PAGES_MAX, .heap_start = HEAP_START}));
    return memory;
}

// Plays `steps` more steps, and prints the state.
static void play(same_bytes *player, uint32_t steps, uint32_t stop, char *line) {
    bool held = same_bytes_play(player, steps);
    snprintf(line, LINE_BYTES, "%u steps %s: %u pages, answers %016llx, bytes %016llx\n", stop,
             held ? "held" : "failed", lm_memory_pages(player->memory),
             (unsigned long long)player->answers,
             (unsigned long long)same_bytes_hash(player->memory));
}

static FILE *start_module(void) {
    char command[9000];
    int length = snprintf(command, sizeof command, "'%s' alloc/wasm/same_bytes.mjs '%s' %u", node,
                          module, HEAP_START);
    for (size_t i = 0; i < STOPS; i++)
        length += snprintf(command + length, sizeof command - (size_t)length, " %u", stops[i]);
    FILE *said = popen(command, "r");
    assert_non_null(said);
    return said;
}

static void assert_says(FILE *said, const char *line) {
    char other[LINE_BYTES] = "";
    assert_true(fgets(other, sizeof other, said) != NULL);
    assert_string_equal(other, line);
}

TEST(the_same_as_wasm32) {
    static same_bytes player;
    char line[LINE_BYTES];
    FILE *said = start_module();
    snprintf(line, sizeof line, "before: %u pages, all zero from %u\n", PAGES, HEAP_START);
    assert_says(said, line);
    lm_memory memory = make();
    assert_true(same_bytes_start(&player, subject, &memory));
    for (size_t i = 0; i < STOPS; i++) {
        play(&player, stops[i] - (i ? stops[i - 1] : 0), stops[i], line);
        assert_null(strstr(line, "failed"));
        assert_says(said, line);
    }
    assert_int_equal(pclose(said), 0);
    lm_memory_destroy(&memory);
}

// One byte or one page that differs changes the line.
TEST(any_difference_changes_the_line) {
    static same_bytes player;
    char line[LINE_BYTES], other[LINE_BYTES];
    lm_memory memory = make();
    assert_true(same_bytes_start(&player, subject, &memory));
    play(&player, 500, 500, line);
    play(&player, 0, 500, other);
    assert_string_equal(line, other);
    uint64_t bytes = (uint64_t)lm_memory_pages(&memory) * LM_PAGE_BYTES;
    for (uint64_t at = HEAP_START; at < bytes; at += (bytes - HEAP_START) / 7 | 1) {
        lm_memory_base(&memory)[at] ^= 1;
        play(&player, 0, 500, other);
        assert_string_not_equal(line, other);
        lm_memory_base(&memory)[at] ^= 1;
    }
    assert_true(lm_memory_grow_foreign(&memory, 1));
    play(&player, 0, 500, other);
    assert_string_not_equal(line, other);
    lm_memory_destroy(&memory);
}

int main(int argc, char **argv) {
    int level = argc == 5 ? atoi(argv[2]) : -1;
    if (level >= 0 && level < LM_CHECK_LEVELS) subject = lm_strategy_named(argv[1], level);
    if (!subject) {
        fprintf(stderr, "usage: same_bytes_test STRATEGY LEVEL NODE MODULE\n");
        return 2;
    }
    node = argv[3];
    module = argv[4];
    return cmocka_run_group_tests(test_list, NULL, NULL);
}
