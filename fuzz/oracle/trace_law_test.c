// Law `reader`: the reader and the writers keep it, and each breach is named.
#include "cli/test.h"
#include "fuzz/oracle/trace_law.h"

#include <stdlib.h>
#include <string.h>

static const char good[] =
    "linmem-trace 1\n# why\na 0 100\n(\nz 1 8\n! interior 1 3\nf 1\n)\nf 0\n";
static const char bad[] = "linmem-trace 1\nf 0\n";

TEST(the_right_ones_hold) {
    size_t operations;
    char finding[300];
    assert_true(trace_law_holds(&trace_forms, good, strlen(good), &operations, finding));
    assert_int_equal(operations, 7);
    assert_true(trace_law_holds(&trace_forms, bad, strlen(bad), &operations, finding));
    assert_int_equal(operations, 0);
    for (size_t count = 0; count < strlen(good); count++)
        if (!trace_law_holds(&trace_forms, good, count, &operations, finding))
            fail_msg("the first %zu bytes: %s", count, finding);
}

// ---- Breaches -----------------------------------------------------------------------------------

static void loses_a_comment(const trace *trace, FILE *stream) {
    struct trace copy = *trace;
    copy.preamble = (char[]){""};
    trace_print(&copy, stream);
}

static void loses_the_end(const trace *trace, FILE *stream) {
    struct trace copy = *trace;
    copy.count--;
    trace_print(&copy, stream);
    fputs("f", stream);
}

static unsigned char *makes_one_larger(const trace *trace, size_t *count) {
    trace->operations[0].argument[1]++;
    unsigned char *form = trace_forms.binary_form(trace, count);
    trace->operations[0].argument[1]--;
    return form;
}

static unsigned char *loses_a_byte(const trace *trace, size_t *count) {
    unsigned char *form = trace_forms.binary_form(trace, count);
    --*count;
    return form;
}

static bool says_nothing(const void *bytes, size_t count, trace *trace, trace_error *error) {
    bool taken = trace_parse(bytes, count, trace, error);
    error->text[0] = '\0';
    return taken;
}

static bool says_two_lines(const void *bytes, size_t count, trace *trace, trace_error *error) {
    bool taken = trace_parse(bytes, count, trace, error);
    strcat(error->text, "\n");
    return taken;
}

static bool keeps(const void *bytes, size_t count, trace *trace, trace_error *error) {
    static char kept[] = "kept";
    bool taken = trace_parse(bytes, count, trace, error);
    if (!taken) trace->preamble = kept;
    return taken;
}

TEST(each_breach_is_named) {
    static const struct {
        const char *bytes, *finding;
        trace_form_calls calls; // NULL: the correct functions
    } cases[] = {
        {good, "the text form reads back as another trace", {.print = loses_a_comment}},
        {good, "the text form cannot be read back: line", {.print = loses_the_end}},
        {good, "the binary form reads back as another trace", {.binary_form = makes_one_larger}},
        {good, "the binary form cannot be read back: ", {.binary_form = loses_a_byte}},
        {bad, "rejected without a message", {.parse = says_nothing}},
        {bad, "the message has several lines", {.parse = says_two_lines}},
        {bad, "rejected, but the trace is not empty", {.parse = keeps}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        trace_form_calls calls = cases[i].calls;
        if (!calls.parse) calls.parse = trace_forms.parse;
        if (!calls.print) calls.print = trace_forms.print;
        if (!calls.binary_form) calls.binary_form = trace_forms.binary_form;
        size_t operations;
        char finding[300] = "";
        assert_false(
            trace_law_holds(&calls, cases[i].bytes, strlen(cases[i].bytes), &operations, finding));
        if (strstr(finding, cases[i].finding) != finding)
            fail_msg("'%s' instead of '%s'", finding, cases[i].finding);
    }
}

TEST_MAIN(NULL, NULL)
