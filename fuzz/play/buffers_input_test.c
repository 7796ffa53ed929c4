// Any bytes decode to memories and a valid trace, encoding is the inverse, and a mutated input is
// an input.
#include "cli/test.h"
#include "fuzz/play/buffers_input.h"
#include "fuzz/play/input_valid.h"
#include "fuzz/play/record_mutator.h"

#include <stdlib.h>
#include <string.h>

enum { BYTES_MAX = 4096, ROUNDS = 2000 };

static trace_operation operations[BUFFERS_INPUT_OPERATIONS_MAX];
static trace_operation others[BUFFERS_INPUT_OPERATIONS_MAX];
static buffers_world_choice choice, other;

// Random bytes of any length; in every second input many records are TRACE_BUFFER.
static size_t random_bytes(uint64_t *random, uint8_t bytes[BYTES_MAX]) {
    size_t count = random_below(random, random_below(random, 2) ? 200 : BYTES_MAX + 1);
    bool alloc = random_below(random, 2);
    for (size_t i = 0; i < count; i++)
        bytes[i] = (uint8_t)random_next(random);
    for (size_t i = BUFFERS_INPUT_HEAD_BYTES; alloc && i < count; i += BUFFERS_INPUT_RECORD_BYTES)
        if (random_below(random, 3) == 0) bytes[i] = 0;
    return count;
}

TEST(all_bytes_are_an_input) {
    uint64_t random = 1, verbs = 0;
    static uint8_t bytes[BYTES_MAX];
    for (int round = 0; round < ROUNDS; round++) {
        size_t count = random_bytes(&random, bytes);
        uint8_t *exact = malloc(count + 1); // detects reads beyond the end
        memcpy(exact, bytes, count);
        size_t decoded =
            buffers_input_decode(exact, count, &choice, operations, BUFFERS_INPUT_OPERATIONS_MAX);
        assert_in_range(choice.count, 1, BUFFERS_MEMORIES_MAX);
        for (uint32_t i = 0; i < choice.count; i++)
            assert_non_null(buffers_server_name(choice.servers[i]));
        assert_valid(operations, decoded);
        for (size_t i = 0; i < decoded; i++)
            verbs |= (uint64_t)1 << operations[i].verb;
        free(exact);
    }
    // All verbs of a buffer trace, except lanes, scopes, resets and the exit.
    uint64_t none = (uint64_t)1 << TRACE_LANE | (uint64_t)1 << TRACE_EXIT |
                    (uint64_t)1 << TRACE_OPEN | (uint64_t)1 << TRACE_CLOSE |
                    (uint64_t)1 << TRACE_RESET;
    assert_int_equal(verbs, (((uint64_t)1 << TRACE_VERBS) - 1) & ~none);
    assert_int_equal(buffers_input_decode(NULL, 0, &choice, operations, 0), 0);
}

TEST(encoding_goes_back) {
    uint64_t random = 2;
    static uint8_t bytes[BYTES_MAX], encoded[2 * BYTES_MAX];
    for (int round = 0; round < ROUNDS; round++) {
        size_t count = random_bytes(&random, bytes);
        size_t decoded =
            buffers_input_decode(bytes, count, &choice, operations, BUFFERS_INPUT_OPERATIONS_MAX);
        size_t needed = buffers_input_encode(&choice, operations, decoded, encoded, sizeof encoded);
        assert_in_range(needed, BUFFERS_INPUT_HEAD_BYTES, sizeof encoded);
        assert_int_equal(buffers_input_encode(&choice, operations, decoded, encoded, needed - 1),
                         0);
        size_t again =
            buffers_input_decode(encoded, needed, &other, others, BUFFERS_INPUT_OPERATIONS_MAX);
        assert_int_equal(again, decoded);
        assert_memory_equal(operations, others, decoded * sizeof *others);
        assert_memory_equal(choice.servers, other.servers, sizeof choice.servers);
        assert_true(choice.count == other.count && choice.atomic == other.atomic &&
                    choice.moving == other.moving && choice.budget == other.budget &&
                    choice.skipped == other.skipped);
    }
}

TEST(what_cannot_be_said_is_not_encoded) {
    uint8_t bytes[200];
    const buffers_world_choice one = {.count = 1};
    const trace_operation none[] = {{TRACE_OPEN, {0}},
                                    {TRACE_LANE, {1}},
                                    {TRACE_HEAP, {16, 1, 65}},
                                    {TRACE_WRONG, {WRONG_double_free, 0, 0}}};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        assert_int_equal(buffers_input_encode(&one, &none[i], 1, bytes, sizeof bytes), 0);
}

TEST(mutations_are_inputs) {
    static uint8_t bytes[BYTES_MAX], same[BYTES_MAX], crossed[BYTES_MAX];
    size_t count = 0, longest = 0;
    for (unsigned seed = 0; seed < ROUNDS; seed++) {
        memcpy(same, bytes, sizeof same);
        size_t before = count;
        count = buffers_input_mutate(bytes, count, 1000, seed);
        assert_in_range(count, BUFFERS_INPUT_HEAD_BYTES + BUFFERS_INPUT_RECORD_BYTES, 1000);
        assert_int_equal(buffers_input_mutate(same, before, 1000, seed), count);
        assert_memory_equal(same, bytes, count);
        size_t decoded =
            buffers_input_decode(bytes, count, &choice, operations, BUFFERS_INPUT_OPERATIONS_MAX);
        assert_valid(operations, decoded);
        if (decoded > longest) longest = decoded;
        size_t both = buffers_input_cross(bytes, count, same, count, crossed, BYTES_MAX, seed);
        assert_int_equal((both - BUFFERS_INPUT_HEAD_BYTES) % BUFFERS_INPUT_RECORD_BYTES, 0);
    }
    assert_in_range(longest, 40, 1000);
}

TEST(worlds_are_read_as_they_are_written) {
    char line[200];
    choice = (buffers_world_choice){.count = 3,
                                    .servers = {0, (uint32_t)buffers_servers() - 1, 4},
                                    .moving = true,
                                    .budget = 2};
    buffers_world_print(&choice, line, sizeof line);
    assert_string_equal(line, "plain moving 2: bump imported_aligned bitmap");
    assert_true(buffers_world_parse(line, &other));
    assert_memory_equal(choice.servers, other.servers, sizeof choice.servers);
    assert_true(other.count == 3 && other.moving && !other.atomic && other.budget == 2);
    choice.skipped = 127;
    buffers_world_print(&choice, line, sizeof line);
    assert_string_equal(line, "plain moving 2 127: bump imported_aligned bitmap");
    assert_true(buffers_world_parse(line, &other));
    assert_int_equal(other.skipped, 127);
    static const char *const none[] = {"",
                                       "plain",
                                       "plain still 0:",
                                       "plain still 9: tlsf",
                                       "plain still 4294967296: tlsf", // 0 modulo 2^32
                                       "plain still -0: tlsf",
                                       "plain still 0 133: tlsf",
                                       "plain still 0 1",
                                       "plain still 0: tls",
                                       "plain stuck 0: tlsf",
                                       "atomic moving 0: tlsf",
                                       "shared still 0: tlsf",
                                       "plain still 0: tlsf tlsf tlsf tlsf tlsf"};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        assert_false(buffers_world_parse(none[i], &other));
}

TEST_MAIN(NULL, NULL)
