// Shrinks traces whose failure is defined by a rule; nothing is played.
#include "cli/test.h"
#include "fuzz/reproduce/shrinker.h"

#include <stdlib.h>
#include <string.h>

static trace parse(const char *text) {
    trace trace;
    trace_error error;
    if (!trace_parse(text, strlen(text), &trace, &error)) fail_msg("%s", error.text);
    return trace;
}

static void assert_prints(const trace *trace, const char *expected) {
    char *text;
    size_t count;
    FILE *stream = open_memstream(&text, &count);
    trace_print(trace, stream);
    fclose(stream);
    assert_string_equal(text, expected);
    free(text);
}

// A rule and the number of tries.
typedef struct rule {
    bool (*fails)(const trace *trace);
    size_t tries;
} rule;

static bool ask(void *context, const trace *trace) {
    rule *rule = context;
    rule->tries++;
    return rule->fails(trace);
}

static size_t shrink(trace *trace, bool (*fails)(const struct trace *), size_t tries_max) {
    rule rule = {.fails = fails};
    assert_true(fails(trace));
    size_t tries = shrinker_run(
        trace, &(shrinker_options){.fails = ask, .context = &rule, .tries_max = tries_max});
    assert_int_equal(tries, rule.tries);
    assert_true(fails(trace));
    return tries;
}

// ---- Rules --------------------------------------------------------------------------------------

// A block of over 1,000 bytes is resized in a scope to less than 100.
static bool shrinks_in_scope(const trace *trace) {
    uint32_t depth = 0, sizes[100] = {0};
    for (size_t i = 0; i < trace->count; i++) {
        const trace_operation *o = &trace->operations[i];
        depth += o->verb == TRACE_OPEN;
        depth -= o->verb == TRACE_CLOSE;
        if (o->verb == TRACE_RESIZE && depth && sizes[o->argument[0]] > 1000 &&
            o->argument[1] < 100)
            return true;
        if (o->verb == TRACE_ALLOCATE || o->verb == TRACE_ZEROED || o->verb == TRACE_RESIZE)
            sizes[o->argument[0]] = o->argument[1];
    }
    return false;
}

// Three allocations that are freed, from the second block on, in the order of their beginnings.
static bool frees_three_in_order(const trace *trace) {
    uint32_t freed = 0;
    for (size_t i = 0; i < trace->count; i++) {
        const trace_operation *o = &trace->operations[i];
        if (o->verb == TRACE_EXIT) break;
        freed += o->verb == TRACE_FREE && o->argument[0] == freed + 1;
    }
    return freed >= 3;
}

// The heap starts at or beyond 1,000 with an alignment over 100 asked somewhere.
static bool starts_late(const trace *trace) {
    bool late = false, aligned = false;
    for (size_t i = 0; i < trace->count; i++) {
        const trace_operation *o = &trace->operations[i];
        late |= o->verb == TRACE_HEAP && o->argument[0] >= 1000;
        aligned |= o->verb == TRACE_ALLOCATE && o->argument[2] > 100;
    }
    return late && aligned;
}

// A view of a buffer's second reference is collected.
static bool collects_a_view(const trace *trace) {
    uint32_t view = UINT32_MAX, token = UINT32_MAX;
    for (size_t i = 0; i < trace->count; i++) {
        const trace_operation *o = &trace->operations[i];
        if (o->verb == TRACE_VIEW && o->argument[4] >= 2) view = o->argument[0];
        if (o->verb == TRACE_ATTACH && o->argument[1] == view) token = o->argument[0];
        if (o->verb == TRACE_COLLECT && o->argument[0] == token) return true;
    }
    return false;
}

// ---- Tests --------------------------------------------------------------------------------------

#define HEADER "linmem-trace 1\n"

TEST(operations_that_are_not_needed_are_removed) {
    trace t = parse(HEADER "# kept\na 0 5\n(\nz 1 5000 64\n(\nr 0 7\nr 1 300\nr 1 2000\nr 1 50\n"
                           "a 2 9\nf 2\n)\n)\na 3 1\nf 3\n");
    shrink(&t, shrinks_in_scope, 10000);
    assert_prints(&t, HEADER "# kept\na 0 1001\n(\nr 0 0\ne\n)\n");
    trace_free(&t);
}

TEST(every_operation_left_is_needed) {
    char *text;
    size_t bytes;
    FILE *stream = open_memstream(&text, &bytes);
    fputs(HEADER, stream);
    for (int i = 0; i < 200; i++)
        fprintf(stream, "a %d %d\n%s", i, i * 37, i % 3 == 0 ? "n 2\ng 1\n" : "");
    for (int i = 0; i < 200; i++)
        fprintf(stream, "f %d\n", i);
    fclose(stream);
    trace t = parse(text);
    size_t tries = shrink(&t, frees_three_in_order, 10000);
    assert_prints(&t, HEADER "a 0 0\na 1 0\na 2 0\na 3 0\nf 1\nf 2\nf 3\ne\nf 0\n");
    print_message("%zu tries\n", tries);
    trace_free(&t);
    free(text);
}

TEST(numbers_are_lowered_while_the_trace_fails) {
    trace t = parse(HEADER "h 65520 5 65536\na 0 100 4096\nf 0\n");
    shrink(&t, starts_late, 10000);
    assert_prints(&t, HEADER "h 1008 0 1\na 0 0 128\ne\nf 0\n");
    trace_free(&t);
}

TEST(traces_of_buffers_are_shrunk) {
    trace t = parse(HEADER "m 3\nb 0 500 64\nm 1\n+ 1 0\nt 7\nv 2 1 u32 16 9\n> 1 2\n@ 0 2\n"
                           "b 3 1\n@ 1 3\nc 0\nc 1\nd 1\nd\n- 0\n- 1\n");
    shrink(&t, collects_a_view, 10000);
    assert_prints(&t, HEADER "b 0 0\nv 1 0 u32 0 2\n@ 0 1\ne\nc 0\nd\n- 0\n");
    trace_free(&t);
}

static bool wrongs_the_largest(void *context, const trace *trace) {
    (void)context;
    uint32_t largest = UINT32_MAX;
    for (size_t i = 0; i < trace->count; i++) {
        const trace_operation *o = &trace->operations[i];
        if (o->verb == TRACE_ALLOCATE && o->argument[1] == 100) largest = o->argument[0];
        if (o->verb == TRACE_WRONG && o->argument[1] == largest) return true;
    }
    return false;
}

TEST(wrong_calls_keep_their_blocks) {
    trace t = parse("linmem-trace 1\na 0 1\na 1 2\na 2 3\na 3 100\na 4 5\n"
                    "! double_free 3 0\ne\nf 0\nf 1\nf 2\nf 3\nf 4\n");
    shrinker_run(&t, &(shrinker_options){.fails = wrongs_the_largest, .tries_max = 1000});
    assert_int_equal(t.blocks, 1);
    assert_int_equal(t.operations[1].verb, TRACE_WRONG);
    assert_int_equal(t.operations[1].argument[1], 0);
    trace_free(&t);
}

TEST(tries_are_bounded) {
    trace t = parse(HEADER "h 65520 5 65536\na 0 100 4096\nf 0\n");
    assert_int_equal(shrink(&t, starts_late, 5), 5);
    trace_free(&t);
}

TEST_MAIN(NULL, NULL)
