// Any bytes decode to a valid trace, encoding is the inverse, and mutations keep the records that
// they do not change.
#include "cli/test.h"
#include "fuzz/play/heap_input.h"
#include "fuzz/play/input_valid.h"
#include "fuzz/play/record_mutator.h"

#include <stdlib.h>
#include <string.h>

enum { BYTES_MAX = 4096, ROUNDS = 3000 };

static trace_operation operations[HEAP_INPUT_OPERATIONS_MAX], others[HEAP_INPUT_OPERATIONS_MAX];

// Random bytes of any length; in every second input most verbs are allocations.
static size_t random_bytes(uint64_t *random, uint8_t bytes[BYTES_MAX]) {
    size_t count = random_below(random, random_below(random, 2) ? 60 : BYTES_MAX + 1);
    bool alloc = random_below(random, 2);
    for (size_t i = 0; i < count; i++)
        bytes[i] = (uint8_t)random_next(random);
    for (size_t i = HEAP_INPUT_HEAD_BYTES; alloc && i < count; i += HEAP_INPUT_RECORD_BYTES)
        if (random_below(random, 2)) bytes[i] = 0;
    return count;
}

TEST(all_bytes_are_an_input) {
    uint64_t random = 1;
    uint8_t *bytes = malloc(BYTES_MAX); // detects reads beyond the end
    for (int round = 0; round < ROUNDS; round++) {
        size_t count = random_bytes(&random, bytes);
        uint8_t *exact = malloc(count + 1);
        memcpy(exact, bytes, count);
        size_t decoded = heap_input_decode(exact, count, operations, HEAP_INPUT_OPERATIONS_MAX);
        assert_in_range(decoded, 1, HEAP_INPUT_OPERATIONS_MAX);
        assert_int_equal(operations[0].verb, TRACE_HEAP);
        assert_valid(operations, decoded);
        free(exact);
    }
    free(bytes);
    assert_int_equal(heap_input_decode(NULL, 0, operations, 0), 0);
    assert_int_equal(heap_input_decode(NULL, 0, operations, 1), 1);
}

TEST(encoding_goes_back) {
    uint64_t random = 2;
    static uint8_t bytes[BYTES_MAX], encoded[BYTES_MAX];
    for (int round = 0; round < ROUNDS; round++) {
        size_t count = random_bytes(&random, bytes);
        size_t decoded = heap_input_decode(bytes, count, operations, HEAP_INPUT_OPERATIONS_MAX);
        size_t needed = heap_input_encode(operations, decoded, encoded, BYTES_MAX + 8);
        assert_int_equal(needed, decoded * 8);
        assert_int_equal(heap_input_encode(operations, decoded, encoded, needed - 1), 0);
        size_t again = heap_input_decode(encoded, needed, others, HEAP_INPUT_OPERATIONS_MAX);
        assert_int_equal(again, decoded);
        assert_memory_equal(operations, others, decoded * sizeof *others);
    }
}

// Heaps at the limits of what a head can say.
TEST(heads_at_the_ends) {
    static const uint32_t worlds[][3] = {{16, 0, 65536},      {16, 65536, 65536},
                                         {65520, 1, 1},       {4294967280u, 65534, 65536},
                                         {131072 - 16, 2, 2}, {4294901760u, 65536, 65536}};
    for (size_t i = 0; i < sizeof worlds / sizeof *worlds; i++) {
        trace_operation heap = {.verb = TRACE_HEAP}, back;
        memcpy(heap.argument, worlds[i], sizeof worlds[i]);
        uint8_t bytes[8];
        assert_int_equal(heap_input_encode(&heap, 1, bytes, sizeof bytes), 8);
        assert_int_equal(heap_input_decode(bytes, 8, &back, 1), 1);
        assert_memory_equal(&heap, &back, sizeof back);
    }
}

TEST(what_no_input_says) {
    static const trace_operation lists[][2] = {
        {{.verb = TRACE_BUFFER, .argument = {0, 8, 16}}},
        {{.verb = TRACE_LANE, .argument = {HEAP_INPUT_LANES}}},
        {{.verb = TRACE_FREE}},
        {{.verb = TRACE_ALLOCATE, .argument = {7, 8, 16}}},
        {{.verb = TRACE_ZEROED, .argument = {0, 8, 64}}},
        {{.verb = TRACE_CLOSE}},
        {{.verb = TRACE_WRONG, .argument = {WRONG_stale, 0, 0}}},
        {{.verb = TRACE_WRONG, .argument = {WRONG_interior, 1, 0}}},
        {{.verb = TRACE_HEAP, .argument = {16, 65535, 65536}}},
        {{.verb = TRACE_HEAP, .argument = {16, 1, 9}},
         {.verb = TRACE_HEAP, .argument = {16, 1, 9}}},
    };
    uint8_t bytes[64];
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
        assert_int_equal(heap_input_encode(lists[i], 2, bytes, sizeof bytes), 0);
}

// Mutations give whole records within the limit, and are deterministic by seed.
TEST(mutations_keep_the_form) {
    static uint8_t bytes[BYTES_MAX], copy[BYTES_MAX];
    size_t count = 0, longest = 0;
    for (unsigned seed = 0; seed < 20000; seed++) {
        size_t max = 16 + seed * 7 % (BYTES_MAX - 16);
        if (count > max) count = max;
        memcpy(copy, bytes, count);
        size_t mutated = heap_input_mutate(bytes, count, max, seed);
        assert_int_equal(heap_input_mutate(copy, count, max, seed), mutated);
        assert_memory_equal(copy, bytes, mutated);
        assert_true(mutated <= max && mutated % 8 == 0 && mutated >= 16);
        count = mutated;
        if (count > longest) longest = count;
    }
    assert_true(longest > BYTES_MAX / 2);
}

// Mutation alone makes every verb, alignment, magnitude and lane.
TEST(mutations_reach_everything) {
    bool verbs[TRACE_VERBS] = {false}, alignments[32] = {false}, magnitudes[33] = {false};
    bool at_the_end = false, of_four_gib = false, lanes[HEAP_INPUT_LANES] = {false};
    size_t switches = 0, all = 0;
    for (unsigned seed = 0; seed < 4000; seed++) {
        uint8_t bytes[1024];
        size_t count = 0;
        for (unsigned i = 0; i < 8; i++)
            count = heap_input_mutate(bytes, count, sizeof bytes, seed * 8 + i);
        size_t decoded = heap_input_decode(bytes, count, operations, HEAP_INPUT_OPERATIONS_MAX);
        const uint32_t *world = operations[0].argument;
        of_four_gib |= world[2] == 65536;
        at_the_end |= world[0] > 4294000000u && world[1] > 65000;
        for (size_t i = 0; i < decoded; i++) {
            const uint32_t *argument = operations[i].argument;
            verbs[operations[i].verb] = true;
            all++;
            if (operations[i].verb == TRACE_LANE) {
                lanes[argument[0]] = true;
                switches++;
            }
            if (operations[i].verb != TRACE_ALLOCATE) continue;
            alignments[__builtin_ctz(argument[2])] = true;
            magnitudes[argument[1] ? 32 - __builtin_clz(argument[1]) : 0] = true;
        }
    }
    static const char expected[] = "azrfgnwh()xt";
    for (uint32_t verb = 0; verb < TRACE_VERBS; verb++)
        assert_int_equal(verbs[verb], strchr(expected, trace_grammar[verb].letter) != NULL);
    for (int i = 0; i < 32; i++)
        assert_true(alignments[i]);
    for (int i = 0; i <= 32; i++)
        assert_true(magnitudes[i]);
    for (int i = 0; i < HEAP_INPUT_LANES; i++)
        assert_true(lanes[i]);
    assert_true(switches * 20 < all); // rare
    assert_true(of_four_gib && at_the_end);
}

// Wrong calls are on the heap, on a block that has begun or would be the next; mutation makes each
// kind.
TEST(wrong_calls_are_records) {
    bool made[WRONG_CALLS] = {false};
    uint8_t bytes[1024], encoded[1024];
    size_t count = 0, wrong = 0, others_made = 0;
    for (unsigned seed = 0; seed < 4000; seed++) {
        if (seed % 8 == 0) count = 0;
        count = heap_input_mutate_wrong(bytes, count, sizeof bytes, seed);
        size_t decoded = heap_input_decode(bytes, count, operations, HEAP_INPUT_OPERATIONS_MAX);
        uint32_t begun = 0;
        for (size_t i = 1; i < decoded; i++) {
            const uint32_t *argument = operations[i].argument;
            bool is_wrong = operations[i].verb == TRACE_WRONG;
            wrong += is_wrong;
            others_made += !is_wrong;
            begun += operations[i].verb == TRACE_ALLOCATE || operations[i].verb == TRACE_ZEROED;
            if (!is_wrong) continue;
            assert_true(trace_wrong_call_is_of_heap[argument[0]]);
            assert_in_range(argument[1], 0, begun);
            made[argument[0]] = true;
        }
        assert_valid(operations, decoded);
        size_t needed = heap_input_encode(operations, decoded, encoded, sizeof encoded);
        size_t again = heap_input_decode(encoded, needed, others, HEAP_INPUT_OPERATIONS_MAX);
        assert_int_equal(again, decoded);
        assert_memory_equal(operations, others, decoded * sizeof *others);
    }
    for (uint32_t word = 0; word < WRONG_CALLS; word++)
        assert_int_equal(made[word], trace_wrong_call_is_of_heap[word]);
    assert_in_range(wrong, others_made / 8, others_made);
}

// A crossing has operations of both inputs only, each in its order.
TEST(crossings_take_from_both) {
    uint8_t first[8 + 20 * 8], second[8 + 30 * 8], crossed[8 + 40 * 8];
    memset(first, 0, sizeof first);
    memset(second, 0, sizeof second);
    for (uint8_t i = 0; i < 20; i++)
        first[8 + i * 8 + 4] = (uint8_t)(1 + i);
    for (uint8_t i = 0; i < 30; i++)
        second[8 + i * 8 + 4] = (uint8_t)(101 + i);
    unsigned mixed = 0;
    for (unsigned seed = 0; seed < 500; seed++) {
        size_t count = heap_input_cross(first, sizeof first, second, sizeof second, crossed,
                                        sizeof crossed, seed);
        assert_true(count <= sizeof crossed && count % 8 == 0);
        uint8_t last[2] = {0, 100};
        for (size_t at = 8; at < count; at += 8) {
            unsigned parent = crossed[at + 4] > 100;
            assert_true(crossed[at + 4] > last[parent]);
            last[parent] = crossed[at + 4];
        }
        mixed += last[0] > 0 && last[1] > 100;
    }
    assert_true(mixed > 250);
}

TEST_MAIN(NULL, NULL)
