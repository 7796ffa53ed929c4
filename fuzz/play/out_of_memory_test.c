// Every growth of small traces fails, once and then for good, on every strategy; and strategies
// that handle it wrongly are detected.
#include "cli/test.h"
#include "fuzz/play/out_of_memory.h"

#include "alloc/registry.h"
#include "cli/file.h"
#include "corpus/trace/generator.h"
#include "fuzz/play/heap_input.h"

#include <stdlib.h>
#include <string.h>

static heap_player player;

static int make_player(void **state) {
    return heap_player_create(&player) ? 0 : -1;
}
static int end_player(void **state) {
    heap_player_destroy(&player);
    return 0;
}

// Returns the number of plays in which a growth failed.
static size_t assert_holds(const lm_allocator *allocator, const trace_operation *operations,
                           size_t count, const char *name) {
    out_of_memory played;
    heap_options options = {.allocator = allocator};
    if (!out_of_memory_run(&player, &options, operations, count, &played))
        fail_msg("%s, level %d, %s: growth refused at operation %zu (%s), operation %zu breaks %s: "
                 "%s",
                 allocator->name, allocator->check_level, name, played.operation,
                 played.count == 1 ? "once" : "for ever", played.at,
                 law_names[player.heap.oracle.broken], player.heap.oracle.finding);
    return played.refused;
}

static size_t assert_all_hold(const trace_operation *operations, size_t count, const char *name) {
    size_t refused = 0;
    for (size_t i = 0; i < lm_strategy_count(); i++)
        for (int level = 0; level < 2; level++)
            refused += assert_holds(lm_strategy_at(i, level), operations, count, name);
    return refused;
}

TEST(synthetic_traces) {
    static const char *const names[] = {"batches",   "exchange",      "large_blocks",
                                        "power_law", "uniform_small", "working_set"};
    enum { OPERATIONS = 400, LIVE_BYTES = 1 << 19 };
    size_t refused = 0;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char path[100];
        trace trace;
        trace_error error;
        snprintf(path, sizeof path, "corpus/synthetic/%s.json", names[i]);
        json_t *description = file_read_json(path, error.text);
        assert_non_null(description);
        json_object_set_new(description, "operations", json_integer(OPERATIONS));
        json_object_set_new(description, "live_bytes", json_integer(LIVE_BYTES));
        if (!generator_run(description, &trace, &error)) fail_msg("%s: %s", path, error.text);
        json_decref(description);
        refused += assert_all_hold(trace.operations, trace.count, names[i]);
        trace_free(&trace);
    }
    print_message("%zu plays in which growth was refused\n", refused);
    assert_true(refused > 0);
}

TEST(random_inputs) {
    enum { INPUTS = 20, MUTATIONS = 60, BYTES_MAX = 1024 };
    static uint8_t bytes[BYTES_MAX];
    static trace_operation operations[HEAP_INPUT_OPERATIONS_MAX];
    size_t used = 0, refused = 0;
    for (unsigned seed = 0; seed < INPUTS; seed++) {
        char name[20];
        for (unsigned i = 0; i < MUTATIONS; i++)
            used = heap_input_mutate(bytes, used, BYTES_MAX, seed * MUTATIONS + i);
        size_t count = heap_input_decode(bytes, used, operations, HEAP_INPUT_OPERATIONS_MAX);
        snprintf(name, sizeof name, "input %u", seed);
        refused += assert_all_hold(operations, count, name);
    }
    print_message("%zu plays in which growth was refused\n", refused);
    assert_true(refused > 0);
}

// ---- Erring strategies --------------------------------------------------------------------------

static const lm_allocator *right;

// Frees the block that could not be resized.
static void *resize_freeing(void *block, size_t size, lm_memory *m) {
    uint32_t offset = (uint32_t)((unsigned char *)block - lm_memory_base(m));
    void *moved = right->resize(block, size, m);
    if (!moved) right->free(lm_memory_base(m) + offset, 0, m);
    return moved;
}
// Loses a block if a growth fails.
static void *allocate_losing(size_t size, lm_memory *m) {
    void *block = right->allocate(size, m);
    if (!block) right->allocate(1, m);
    return block;
}
static void *resize_spoiling(void *block, size_t size, lm_memory *m) {
    void *moved = right->resize(block, size, m);
    if (!moved) memset(block, 1, 8);
    return moved;
}

TEST(broken_rollbacks_are_seen) {
    static const struct {
        void *(*allocate)(size_t, lm_memory *);
        void *(*resize)(void *, size_t, lm_memory *);
        law law;
    } cases[] = {
        {NULL, NULL, LAW_NONE},
        {allocate_losing, NULL, LAW_census},
        {NULL, resize_freeing, LAW_content}, // its links overwrite the content
        {NULL, resize_spoiling, LAW_content},
    };
    trace t;
    trace_error error;
    static const char text[] = "linmem-trace 1\na 0 100\na 1 30000\nr 0 90000\na 2 200000\n"
                               "f 1\nf 0\nf 2\n";
    assert_true(trace_parse(text, strlen(text), &t, &error));
    right = lm_strategy_named("tlsf", 0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        lm_allocator broken = *right;
        if (cases[i].allocate) broken.allocate = cases[i].allocate;
        if (cases[i].resize) broken.resize = cases[i].resize;
        heap_options options = {.allocator = &broken};
        out_of_memory played;
        bool holds = out_of_memory_run(&player, &options, t.operations, t.count, &played);
        assert_int_equal(holds, cases[i].law == LAW_NONE);
        assert_string_equal(law_names[player.heap.oracle.broken], law_names[cases[i].law]);
        if (holds) {
            assert_int_equal(played.growths, 2);
            assert_int_equal(played.plays, 4);
            assert_int_equal(played.refused, 4);
            continue;
        }
        // The trace of the finding breaks the same law.
        trace_operation refused[20];
        size_t count = out_of_memory_operations(t.operations, t.count, &played, refused), at;
        options.walk_every = 1;
        assert_int_equal(count, t.count + 1);
        assert_false(heap_player_run(&player, &options, refused, count, &at));
        assert_string_equal(law_names[player.heap.oracle.broken], law_names[cases[i].law]);
        assert_int_equal(at, played.at + 1);
    }
    trace_free(&t);
}

// If there are many growths, only every second one fails.
TEST(many_growths_are_sampled) {
    enum { COUNT = 1000 };
    static trace_operation operations[COUNT];
    for (uint32_t i = 0; i < COUNT; i++)
        operations[i] = (trace_operation){i % 2 ? TRACE_FREE : TRACE_ALLOCATE, {i / 2, 200000, 16}};
    out_of_memory played;
    heap_options options = {.allocator = lm_strategy_named("bump", 0)};
    assert_true(out_of_memory_run(&player, &options, operations, COUNT / 2, &played));
    assert_true(played.growths > 100);
    assert_int_equal(played.tried, played.growths);
    for (uint32_t i = 0; i < COUNT; i++)
        operations[i] = (trace_operation){TRACE_ALLOCATE, {i, 100000, 16}};
    assert_true(out_of_memory_run(&player, &options, operations, COUNT, &played));
    assert_true(played.growths > 600);
    assert_int_equal(played.tried, (played.growths + 1) / 2);
    assert_int_equal(played.plays, 2 * played.tried);
}

TEST_MAIN(make_player, end_player)
