// The trace mutators return for every seed and keep to their limit, and mutated operations are a
// trace, with every verb.
#include "cli/test.h"
#include "fuzz/play/trace_mutator.h"

#include "corpus/trace/trace_form.h"

#include <string.h>

enum { SEEDS = 12000, ROOM = 2000 };

static const char text[] = "linmem-trace 1\nh 16 1 9\na 0 100\n(\na 1 7 64\n)\nr 0 9\nf 0\n";

TEST(operations_make_a_trace) {
    unsigned larger = 0;
    for (unsigned seed = 0; seed < SEEDS; seed++) {
        uint8_t bytes[ROOM] = {0};
        memcpy(bytes, text, sizeof text - 1);
        size_t count = trace_operations_mutate(bytes, seed % 2 ? sizeof text - 1 : 0, ROOM, seed);
        assert_true(count <= ROOM);
        if (count == 0) continue; // no room, or an object could not be ended
        trace made;
        trace_error error;
        if (!trace_parse(bytes, count, &made, &error)) fail_msg("seed %u: %s", seed, error.text);
        larger += made.count > 6;
        trace_free(&made);
    }
    assert_true(larger > SEEDS / 10);
}

TEST(lines_and_columns_keep_to_their_room) {
    for (unsigned seed = 0; seed < SEEDS; seed++) {
        uint8_t bytes[ROOM];
        memset(bytes, 0xee, ROOM);
        memcpy(bytes, text, sizeof text - 1);
        size_t max = sizeof text - 1 + seed % 100, count = sizeof text - 1;
        count = seed % 2 ? trace_lines_mutate(bytes, count, max, seed)
                         : trace_columns_mutate(bytes, count, max, seed);
        assert_true(count <= max);
        for (size_t i = max; i < ROOM; i++)
            assert_int_equal(bytes[i], 0xee);
    }
}

typedef size_t mutation(uint8_t *bytes, size_t count, size_t max, unsigned seed);

static uint8_t bytes[ROOM], copy[ROOM];

// Mutates twice with the same seed and compares; returns the new count.
static size_t mutate(mutation *how, size_t count, size_t max, unsigned seed) {
    if (count > max) count = max;
    memcpy(copy, bytes, count);
    size_t mutated = how(bytes, count, max, seed);
    assert_in_range(mutated, 0, max);
    assert_int_equal(how(copy, count, max, seed), mutated);
    assert_memory_equal(bytes, copy, mutated);
    return mutated;
}

// Unknown versions, and heads that are cut short.
TEST(unknown_versions_are_mutated) {
    for (unsigned seed = 0; seed < 256; seed++) {
        memset(bytes, 0x81, sizeof bytes);
        memcpy(bytes, TRACE_BINARY_MAGIC, strlen(TRACE_BINARY_MAGIC));
        bytes[strlen(TRACE_BINARY_MAGIC)] = (uint8_t)seed;
        mutate(trace_columns_mutate, seed % 64, ROOM, seed);
    }
}

TEST(operations_make_traces_of_every_verb) {
    bool verbs[TRACE_VERBS] = {false}, binary[2] = {false};
    size_t count = 0;
    for (unsigned seed = 0; seed < SEEDS; seed++) {
        count = mutate(trace_operations_mutate, seed % 16 ? count : 0, ROOM, seed);
        trace trace;
        trace_error error;
        if (count == 0) continue;
        if (!trace_parse(bytes, count, &trace, &error)) fail_msg("seed %u: %s", seed, error.text);
        binary[memcmp(bytes, TRACE_BINARY_MAGIC, strlen(TRACE_BINARY_MAGIC)) == 0] = true;
        for (size_t i = 0; i < trace.count; i++)
            verbs[trace.operations[i].verb] = true;
        trace_free(&trace);
    }
    for (uint32_t verb = 0; verb < TRACE_VERBS; verb++)
        if (!verbs[verb]) fail_msg("no %c", trace_grammar[verb].letter);
    assert_true(binary[0] && binary[1]);
}

TEST_MAIN(NULL, NULL)
