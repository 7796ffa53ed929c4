// The reader and the writers of traces keep the law `reader` on mutated traces: as the fuzz target
// `trace` checks, but in every build. A failure names its seed.
#include "cli/test.h"
#include "corpus/trace/trace_form.h"
#include "fuzz/oracle/trace_law.h"
#include "fuzz/play/trace_mutator.h"

#include <zstd.h>

enum { INPUTS = 20000, INPUTS_PER_TRACE = 16, BYTES_MAX = TRACE_MUTATOR_BYTES_MAX };

static bool is_binary(const uint8_t *bytes) {
    return bytes[0] == (uint8_t)TRACE_BINARY_MAGIC[0];
}

// Checks a copy in a block of its own, so that a sanitizer detects reads after its end.
static size_t check(const uint8_t *bytes, size_t count, unsigned seed) {
    size_t operations;
    char finding[300];
    uint8_t *copy = malloc(count + !count);
    memcpy(copy, bytes, count);
    bool holds = trace_law_holds(&trace_forms, copy, count, &operations, finding);
    free(copy);
    if (!holds) fail_msg("seed %u: %s", seed, finding);
    return operations;
}

TEST(mutated_traces_keep_the_law) {
    static uint8_t valid[BYTES_MAX], bytes[BYTES_MAX], packed[2 * BYTES_MAX];
    size_t valid_count = 0, accepted[2] = {0}; // in text, in binary
    for (unsigned seed = 1; seed <= INPUTS; seed++) {
        if (seed % INPUTS_PER_TRACE == 1)
            valid_count = trace_operations_mutate(valid, 0, BYTES_MAX, seed);
        memcpy(bytes, valid, valid_count);
        bool binary = valid_count && is_binary(bytes);
        size_t count = (binary ? trace_columns_mutate : trace_lines_mutate)(bytes, valid_count,
                                                                            BYTES_MAX, seed);
        accepted[binary] += check(bytes, count, seed) > 0;
        if (seed % 4) continue;
        check(packed, ZSTD_compress(packed, sizeof packed, bytes, count, 1), seed);
    }
    assert_true(accepted[0] > 100 && accepted[1] > 100); // else little was tried
}

static bool accept_any(const void *bytes, size_t count, trace *trace, trace_error *error) {
    return trace_parse("linmem-trace 1\na 0 1\nf 0\n", 25, trace, error);
}

// As if the reader let 2^32, the length of the preamble, wrap to 0.
TEST(a_number_that_wraps_is_a_finding) {
    trace trace;
    trace_error error;
    char finding[300];
    size_t count, operations, head = sizeof TRACE_BINARY_MAGIC;
    assert_true(accept_any(NULL, 0, &trace, &error));
    unsigned char *form = trace_binary_form(&trace, &count), wrapped[200];
    memcpy(wrapped, form, head);
    memcpy(wrapped + head, "\x80\x80\x80\x80\x10", 5);
    memcpy(wrapped + head + 5, form + head + 1, count - head - 1);
    trace_form_calls forms = trace_forms;
    forms.parse = accept_any;
    assert_true(trace_law_holds(&forms, form, count, &operations, finding));
    assert_false(trace_law_holds(&forms, wrapped, count + 4, &operations, finding));
    assert_string_equal(finding, "accepted, but a number of the binary form exceeds 32 bits");
    trace_free(&trace);
    free(form);
}

TEST_MAIN(NULL, NULL)
