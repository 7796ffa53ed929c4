// Every strategy keeps all laws, at every level and with its steps counted, on generated workloads,
// on mutated inputs, and on hostile traces.
#include "alloc/registry.h"
#include "cli/file.h"
#include "cli/test.h"
#include "corpus/trace/generator.h"
#include "fuzz/play/heap_input.h"
#include "fuzz/play/heap_player.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STRATEGY(name) extern const lm_allocator lm_##name##_counted;
#include "alloc/strategies.def"
#undef STRATEGY

static const lm_allocator *const counted[] = {
#define STRATEGY(name) &lm_##name##_counted,
#include "alloc/strategies.def"
#undef STRATEGY
};

static heap_player player;

// Plays on every strategy, at levels 0 and 1 and counted.
static void assert_holds(const char *what, const trace_operation *operations, size_t count,
                         uint32_t walk_every) {
    for (size_t i = 0; i < lm_strategy_count(); i++) {
        for (int level = 0; level < 2; level++) {
            heap_options options = {.allocator = lm_strategy_at(i, level),
                                    .counted = level ? counted[i] : NULL,
                                    .walk_every = walk_every};
            size_t at;
            if (!heap_player_run(&player, &options, operations, count, &at))
                fail_msg("%s, %s at level %d, operation %zu: %s: %s", what, options.allocator->name,
                         level, at, law_names[player.heap.oracle.broken],
                         player.heap.oracle.finding);
            assert_int_equal(player.heap.skipped, 0);
        }
    }
}

TEST(generated_programs_hold) {
    static const char *const programs[] = {"power_law", "uniform_small", "working_set"};
    for (size_t i = 0; i < sizeof programs / sizeof *programs; i++) {
        char path[100], why[200];
        snprintf(path, sizeof path, "corpus/synthetic/%s.json", programs[i]);
        json_t *description = file_read_json(path, why);
        if (!description) fail_msg("%s: %s", path, why);
        json_object_set_new(description, "operations", json_integer(3000));
        json_object_set_new(description, "live_blocks", json_integer(500));
        trace trace;
        trace_error error;
        if (!generator_run(description, &trace, &error)) fail_msg("%s", error.text);
        assert_holds(programs[i], trace.operations, trace.count, 100);
        trace_free(&trace);
        json_decref(description);
    }
}

static uint32_t nulls_freed;
static void count_nulls(void *block, size_t size, lm_memory *memory) {
    nulls_freed += !block;
    lm_strategy_named("tlsf", 0)->free(block, size, memory);
}

TEST(what_was_refused_is_freed_as_null) {
    static const trace_operation operations[] = {
        {TRACE_REFUSE, {UINT32_MAX}},
        {TRACE_ALLOCATE, {0, 100000, 16}},
        {TRACE_REFUSE, {0}},
        {TRACE_ALLOCATE, {1, 100, 16}},
        {TRACE_FREE, {0}},
        {TRACE_FREE, {1}},
    };
    lm_allocator counting = *lm_strategy_named("tlsf", 0);
    counting.free = count_nulls;
    heap_options options = {.allocator = &counting};
    size_t at;
    assert_true(heap_player_run(&player, &options, operations,
                                sizeof operations / sizeof *operations, &at));
    assert_int_equal(nulls_freed, 1);
}

// Inputs made by mutation from nothing, in memories of at most 64 MiB, since zeroed blocks are
// written.
TEST(mutations_hold) {
    static trace_operation operations[HEAP_INPUT_OPERATIONS_MAX];
    uint8_t bytes[1024];
    size_t count = 0;
    for (unsigned seed = 0; seed < 150; seed++) {
        char what[40];
        snprintf(what, sizeof what, "input %u", seed);
        if (seed % 10 == 0) count = 0;
        count = heap_input_mutate(bytes, count, sizeof bytes, seed);
        size_t decoded = heap_input_decode(bytes, count, operations, HEAP_INPUT_OPERATIONS_MAX);
        if (operations[0].argument[2] > 1000)
            operations[0] = (trace_operation){TRACE_HEAP, {16, 1, 1000}};
        assert_holds(what, operations, decoded, 1 + seed % 8);
    }
}

static void play_text(const char *text) {
    trace trace;
    trace_error error;
    char whole[2000];
    int count = snprintf(whole, sizeof whole, "linmem-trace 1\n%s", text);
    if (!trace_parse(whole, (size_t)count, &trace, &error)) fail_msg("%s", error.text);
    assert_holds(text, trace.operations, trace.count, 1);
    trace_free(&trace);
}

// Blocks of each kind, in scopes, between moves, failures, foreign growths and resets.
TEST(every_verb_plays) {
    play_text("a 0 100\nz 1 3000\na 2 50 4096\nr 1 9000\nf 0\nr 2 10\nf 1\nf 2\n");
    play_text(
        "h 65440 1 9\na 0 100\n(\na 1 70000\nr 0 9000\n)\n(\nz 2 8\n(\nz 3 9\nx\na 4 7\nf 4\n");
    play_text(
        "a 0 5\nw\nn 1\na 1 200000\ng 2\nr 0 100000\nn *\nr 0 9000000\na 2 9000000\nf 0\nf 1\n"
        "n 0\nz 3 50\nf 2\nf 3\n");
    play_text("h 4294901760 65536 65536\na 0 100\nz 1 60000\nr 0 1000\nf 0\nf 1\n");
    play_text("h 16 0 1\na 0 4294967295\na 1 0\nr 1 4294967280\nz 2 65000\nr 1 0\nf 0\nf 1\nf 2\n");
    play_text("h 65536 0 1\na 0 5\nr 0 6\nf 0\n"); // no room to start
}

// Operations on a block that could not be allocated are skipped.
TEST(what_was_refused_is_nothing) {
    play_text("n *\na 0 100000\nr 0 5\nn 0\nr 0 50\nf 0\na 1 5\nf 1\n");
    assert_int_equal(player.heap.oracle.count, 0);
}

static bool play_start(const char *strategy, uint32_t pages_max, bool wrong_calls) {
    heap_options options = {
        .allocator = lm_strategy_named(strategy, 1), .walk_every = 1, .wrong_calls = wrong_calls};
    const trace_operation heap = {TRACE_HEAP, {16, 1, pages_max}};
    return heap_player_start(&player, &options, &heap);
}
static void play_one(uint32_t verb, uint32_t first, uint32_t second) {
    const trace_operation operation = {verb, {first, second, TRACE_ALIGNMENT_DEFAULT}};
    if (!heap_player_play(&player, &operation)) fail_msg("%s", player.heap.oracle.finding);
}
static uint64_t offset_of(uint32_t number) {
    oracle_extent *e = oracle_find(&player.heap.oracle, number);
    assert_non_null(e);
    return e->offset;
}

// A heap that starts after a module's data is played in a memory that is not zero, and serves
// zeroes. Heaps that start lower, or with wrong calls, get a zeroed memory.
TEST(memories_were_used_before) {
    play_text("h 1024 3 9\nz 0 40\nz 1 5000\nz 2 60000\na 3 9\nz 4 100000\nf 1\nz 5 5000\n"
              "f 0\nf 2\nf 3\nf 4\nf 5\n");
    for (uint32_t start = 1008; start <= 1024; start += 16) {
        for (int wrong_calls = 0; wrong_calls < 2; wrong_calls++) {
            heap_options options = {.allocator = lm_strategy_named("bump", 1),
                                    .wrong_calls = wrong_calls};
            const trace_operation heap = {TRACE_HEAP, {start, 3, 9}};
            assert_true(heap_player_start(&player, &options, &heap));
            const unsigned char *base = lm_memory_base(&player.memory);
            bool used = start == 1024 && !wrong_calls;
            for (uint32_t at = start + 4096; at < start + 65536; at += 4096)
                assert_int_equal(base[at + 15] != 0, used);
            assert_true(heap_player_end(&player));
        }
    }
}

// A block that a lane frees is its own next one, not another lane's; and all plays keep the laws.
TEST(lanes_are_threads) {
    assert_true(play_start("paged_shared", 100, false));
    play_one(TRACE_ALLOCATE, 0, 64);
    uint64_t first = offset_of(0);
    play_one(TRACE_LANE, 3, 0);
    play_one(TRACE_FREE, 0, 0);
    play_one(TRACE_LANE, 0, 0);
    play_one(TRACE_ALLOCATE, 1, 64);
    assert_true(offset_of(1) != first);
    play_one(TRACE_LANE, 3, 0);
    play_one(TRACE_ALLOCATE, 2, 64);
    assert_true(offset_of(2) == first);
    assert_int_equal(player.heap.oracle.threads, 1 << 0 | 1 << 3);
    assert_true(heap_player_end(&player));
    play_text("a 0 64\nt 1\nf 0\nt 2\na 0 64\na 1 9\nx\na 0 7\nt 0\nf 0\na 0 40000\nt 3\nf 0\n");
    play_text("h 16 1 2\na 0 64\na 1 64\nt 1\nf 0\nn *\na 2 90000\nf 1\nt 2\na 0 5\nn 0\n"
              "f 0\nf 2\nt 3\n");
}

// At the end all outboxes have been delivered: of blocks of the least size, and of more than a
// message holds.
TEST(what_lanes_keep_comes_back) {
    for (uint32_t lanes = 2; lanes <= 4; lanes++) {
        assert_true(play_start("paged_shared", 100, false));
        for (uint32_t i = 0; i < 600; i++) {
            play_one(TRACE_LANE, i % lanes, 0);
            play_one(TRACE_ALLOCATE, i, i % 3 ? 16 : 3000);
        }
        for (uint32_t i = 0; i < 600; i++) {
            play_one(TRACE_LANE, i / 2 % lanes, 0);
            play_one(TRACE_FREE, i, 0);
        }
        assert_true(heap_player_end(&player));
    }
}

// A shared memory does not move, and one that has moved is not shared.
TEST(lanes_or_moves) {
    assert_true(play_start("paged_shared", 100, false));
    play_one(TRACE_LANE, 1, 0);
    play_one(TRACE_MOVE, 0, 0);
    play_one(TRACE_ALLOCATE, 0, 64);
    play_one(TRACE_LANE, 0, 0);
    play_one(TRACE_MOVE, 0, 0);
    assert_false(player.memory.moving);
    assert_int_equal(player.memory.moves, 0);
    assert_true(heap_player_end(&player));
    assert_true(play_start("paged_shared", 100, false));
    play_one(TRACE_MOVE, 0, 0);
    play_one(TRACE_LANE, 1, 0);
    assert_true(player.memory.moving);
    assert_int_equal(player.memory.thread, 0);
    assert_true(heap_player_end(&player));
}

TEST(lanes_are_passed_over) {
    static const struct {
        const char *strategy;
        uint32_t lane;
        bool wrong_calls;
    } cases[] = {
        {"tlsf", 1, false}, {"paged_shared", LM_THREADS_MAX, false}, {"paged_shared", 1, true}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_true(play_start(cases[i].strategy, 100, cases[i].wrong_calls));
        play_one(TRACE_LANE, cases[i].lane, 0);
        assert_int_equal(player.memory.thread, 0);
        assert_true(heap_player_end(&player));
    }
}

// A play depends on its operations only.
TEST(plays_do_not_depend_on_another) {
    static trace_operation operations[HEAP_INPUT_OPERATIONS_MAX];
    static unsigned char first[4 * LM_PAGE_BYTES];
    uint8_t bytes[512];
    size_t count = 0;
    for (unsigned seed = 0; seed < 40; seed++)
        count = heap_input_mutate(bytes, count, sizeof bytes, seed);
    size_t decoded = heap_input_decode(bytes, count, operations, HEAP_INPUT_OPERATIONS_MAX);
    operations[0] = (trace_operation){TRACE_HEAP, {16, 4, 4}};
    for (size_t i = 0; i < lm_strategy_count(); i++) {
        heap_options options = {.allocator = lm_strategy_at(i, 1)};
        for (int round = 0; round < 2; round++) {
            if (round) play_text("a 0 70000\nz 1 8\nr 0 3\nw\nf 0\nf 1\n");
            assert_true(heap_player_start(&player, &options, operations));
            for (size_t j = 1; j < decoded; j++)
                assert_true(heap_player_play(&player, &operations[j]));
            const unsigned char *base = lm_memory_base(&player.memory);
            if (round) assert_memory_equal(first, base, sizeof first);
            memcpy(first, base, sizeof first);
            assert_true(heap_player_end(&player));
        }
    }
}

// Blocks beyond the oracle's limit are skipped and counted.
TEST(too_many_blocks_are_skipped) {
    heap_options options = {.allocator = lm_strategy_named("tlsf", 1)};
    assert_true(heap_player_start(&player, &options, NULL));
    for (uint32_t i = 0; i < ORACLE_BLOCKS_MAX + 7; i++) // with colliding numbers
        assert_true(heap_player_play(
            &player, &(trace_operation){TRACE_ALLOCATE, {i % 2 ? i + 512 : i * 1024, 8, 16}}));
    assert_int_equal(player.heap.skipped, 7);
    assert_int_equal(player.heap.oracle.count, ORACLE_BLOCKS_MAX);
    for (uint32_t i = 0; i < ORACLE_BLOCKS_MAX; i++)
        assert_true(heap_player_play(&player,
                                     &(trace_operation){TRACE_FREE, {i % 2 ? i + 512 : i * 1024}}));
    assert_int_equal(player.heap.oracle.count, 0);
    assert_true(heap_player_end(&player));
}

int main(void) {
    if (!heap_player_create(&player)) return 1;
    int failed = cmocka_run_group_tests(test_list, NULL, NULL);
    heap_player_destroy(&player);
    return failed;
}
