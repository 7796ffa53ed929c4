// Tables and the report, from results that are written here.
#include "reports/report.h"
#include "reports/results_view.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static char *printed;
static size_t printed_bytes;

static FILE *sheet(void) {
    free(printed);
    FILE *stream = open_memstream(&printed, &printed_bytes);
    assert_non_null(stream);
    return stream;
}

static void table_is_aligned(void **state) {
    (void)state;
    const char *const headers[] = {"name", "a", "long header"};
    table *t = table_new(3, headers);
    size_t row = table_row(t);
    table_set(t, row, 0, "größe");
    table_set(t, row, 1, "%d", 12345);
    table_set(t, row, 2, "%.1f", 1.5);
    FILE *stream = sheet();
    table_print(t, TABLE_TERMINAL, stream);
    table_print(t, TABLE_MARKDOWN, stream);
    fclose(stream);
    table_free(t);
    assert_string_equal(printed, "name      a long header\n"
                                 "größe 12345         1.5\n"
                                 "| name  |     a | long header |\n"
                                 "| --- | ---: | ---: |\n"
                                 "| größe | 12345 |         1.5 |\n");
}

static void a_wide_table_is_printed_in_parts(void **state) {
    (void)state;
    const char *headers[21];
    for (size_t i = 0; i < 21; i++)
        headers[i] = i ? "0123456789" : "row";
    table *t = table_new(21, headers);
    table_set(t, table_row(t), 0, "first");
    FILE *stream = sheet();
    table_print(t, TABLE_TERMINAL, stream);
    fclose(stream);
    table_free(t);
    size_t parts = 0, columns = 0;
    for (const char *c = printed; (c = strstr(c, "row")); c++)
        parts++;
    for (const char *c = printed; (c = strstr(c, "0123456789")); c++)
        columns++;
    assert_int_equal(parts, 4); // 6 columns of 11 behind a first one of 5
    assert_int_equal(columns, 20);
    for (char *line = strtok(printed, "\n"); line; line = strtok(NULL, "\n"))
        assert_in_range(strlen(line), 0, 80);
}

static json_t *cell(const char *allocator, const char *workload, const char *pass, double ns) {
    return json_pack("{s:s, s:s, s:s, s:s, s:{s:o}, s:o, s:o, s:i}", "allocator", allocator,
                     "workload", workload, "pass", pass, "status",
                     ns > 0 ? "ok" : "killed by SIGSEGV", "ns_per_op", "median",
                     ns > 0 ? json_real(ns) : json_null(), "peak_rss_bytes",
                     ns > 0 ? json_integer((json_int_t)(ns * 1024)) : json_null(),
                     "peak_heap_bytes", json_null(), "page_faults", 7);
}

static json_t *row(const char *a, const char *b, const char *workload, const char *pass,
                   double ratio, const char *verdict) {
    return json_pack("{s:s, s:s, s:s, s:s, s:o, s:o, s:o, s:s}", "a", a, "b", b, "workload",
                     workload, "pass", pass, "ratio", ratio > 0 ? json_real(ratio) : json_null(),
                     "low", ratio > 0 ? json_real(ratio * 0.9) : json_null(), "high",
                     ratio > 0 ? json_real(ratio * 1.1) : json_null(), "verdict", verdict);
}

// base, quick (twice as fast), and broken, which crashed on one of two workloads.
static json_t *some_results(void) {
    static const char *const passes[] = {"warm", "cold"};
    json_t *cells = json_array(), *rows = json_array();
    for (size_t p = 0; p < 2; p++) {
        static const char *const workloads[] = {"one", "two"};
        for (size_t w = 0; w < 2; w++) {
            json_array_append_new(cells, cell("base", workloads[w], passes[p], 10));
            json_array_append_new(cells, cell("quick", workloads[w], passes[p], 5));
            json_array_append_new(cells, cell("broken", workloads[w], passes[p], w ? -1 : 40));
            // b is the quick one: its losses and gains are read backwards
            json_array_append_new(rows,
                                  row("base", "quick", workloads[w], passes[p], 0.5, "slower"));
            json_array_append_new(rows, row("base", "broken", workloads[w], passes[p], w ? -1 : 4,
                                            w ? "unclear" : "faster"));
        }
        json_array_append_new(rows,
                              row("base", "quick", "geometric mean", passes[p], 0.5, "slower"));
        json_array_append_new(rows,
                              row("base", "broken", "geometric mean", passes[p], 4, "faster"));
    }
    json_t *context = json_pack(
        "{s:s, s:f, s:s, s:i, s:[{s:s, s:s, s:s, s:b, s:b}, {s:s, s:s, s:s, s:b}, {s:s, s:s, s:s, "
        "s:b}],"
        " s:[{s:s}, {s:s}]}",
        "baseline", "base", "minimum_effect", 0.01, "command", "linmem compare", "blocks", 7,
        "allocators", "name", "base", "kind", "host", "allocator", "base", "frees_blocks", 1,
        "shares_threads", 1, "name", "quick", "kind", "strategy", "allocator", "quick",
        "frees_blocks", 0, "name", "broken", "kind", "strategy", "allocator", "broken",
        "frees_blocks", 1, "workloads", "name", "one", "name", "two");
    return json_pack("{s:s, s:i, s:o, s:o, s:o}", "format", "linmem-results", "version", 1,
                     "context", context, "cells", cells, "comparisons", rows);
}

static const char *report(table_form form) {
    json_t *results = some_results();
    FILE *stream = sheet();
    assert_true(report_print(results, form, stream));
    fclose(stream);
    json_decref(results);
    return printed;
}

static void who_serves_threads_is_said(void **state) {
    (void)state;
    assert_non_null(
        strstr(report(TABLE_TERMINAL),
               "Several threads may call base;\nthe other strategies serve one thread."));
}

static void failures_and_losses_come_first(void **state) {
    (void)state;
    const char *text = report(TABLE_TERMINAL);
    const char *failed = strstr(text, "broken on two: killed by SIGSEGV");
    const char *lost = strstr(text, "broken    warm: one 0.25"), *first = strstr(text, "Warm: ");
    assert_true(failed && lost && first && failed < lost && lost < first);
    assert_null(strstr(text, "quick     warm:")); // it lost nowhere
}

static void a_failed_cell_has_neither_ratio_nor_mean(void **state) {
    (void)state;
    const char *text = report(TABLE_TERMINAL);
    assert_non_null(strstr(text, "broken    0.25-  fail  fail\n"));
    assert_non_null(strstr(text, "base         1     1     1 \n"));
    assert_non_null(strstr(text, "quick     2.00+ 2.00+ 2.00+\n"));
    assert_true(strstr(text, "broken    0.25") < strstr(text, "base         1")); // slowest first
}

static void markdown_tells_the_method_and_the_machine(void **state) {
    (void)state;
    const char *text = report(TABLE_MARKDOWN);
    static const char *const told[] = {
        "# Allocators compared",  "`linmem compare`", "| allocator |",   "## Measured on",
        "single frees (`quick`)", "blocks: 7",        "ns an operation", "Bias"};
    for (size_t i = 0; i < sizeof told / sizeof *told; i++)
        if (!strstr(text, told[i])) fail_msg("'%s' is missing", told[i]);
}

// Another memory than the headline's is told first, with what the hosts were given.
static void another_memory_is_told(void **state) {
    (void)state;
    static const struct {
        const char *name, *title, *method;
    } rows[] = {
        {NULL, NULL, "on 4 KiB pages, and nothing is prefaulted"},
        {"4k", NULL, "on 4 KiB pages, and nothing is prefaulted"},
        {"2m", "Memory: 2m, present in steps", "prefaulted by 2 MiB at a time"},
        {"huge", "Memory: huge pages", "on transparent huge pages"},
    };
    for (size_t i = 0; i < 2 * sizeof rows / sizeof *rows; i++) {
        const char *name = rows[i / 2].name, *title = rows[i / 2].title;
        json_t *results = some_results(), *context = json_object_get(results, "context");
        json_t *base = json_array_get(json_object_get(context, "allocators"), 0);
        if (name) json_object_set_new(context, "memory_options", json_string(name));
        if (i % 2) json_object_set_new(base, "environment", json_string("BASE_CONF=huge"));
        FILE *stream = sheet();
        assert_true(report_print(results, TABLE_MARKDOWN, stream));
        fclose(stream);
        json_decref(results);
        assert_non_null(strstr(printed, rows[i / 2].method));
        const char *told =
            strstr(printed, i % 2 ? "- base: BASE_CONF=huge\n" : "- base: has no setting for it\n");
        assert_int_equal(told != NULL, title != NULL);
        assert_int_equal(strstr(printed, "Memory: ") != NULL, title != NULL);
        assert_int_equal(strstr(printed, "Huge pages of 2 MiB") != NULL, i / 2 == 3);
        if (title)
            assert_true(strstr(printed, title) < told && told < strstr(printed, "## Failed"));
    }
}

static void a_missing_cell_is_told(void **state) {
    (void)state;
    json_t *results = some_results();
    json_array_clear(json_object_get(results, "cells"));
    FILE *stream = sheet();
    assert_true(report_print(results, TABLE_TERMINAL, stream));
    fclose(stream);
    json_decref(results);
    assert_non_null(strstr(printed, "quick on two: not measured\n"));
}

static void other_json_is_refused(void **state) {
    (void)state;
    static const char *const keys[] = {"format", "version", "context", "cells", "comparisons"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        json_t *results = some_results();
        json_object_del(results, keys[i]);
        FILE *stream = sheet();
        assert_false(report_print(results, TABLE_MARKDOWN, stream));
        fclose(stream);
        assert_int_equal(printed_bytes, 0);
        results_view view;
        const char *reason = results_view_open(&view, results);
        if (!reason || !strstr(reason, keys[i])) fail_msg("without %s: '%s'", keys[i], reason);
        json_decref(results);
    }
}

static int free_sheet(void **state) {
    (void)state;
    free(printed);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(table_is_aligned),
        cmocka_unit_test(a_wide_table_is_printed_in_parts),
        cmocka_unit_test(failures_and_losses_come_first),
        cmocka_unit_test(who_serves_threads_is_said),
        cmocka_unit_test(a_failed_cell_has_neither_ratio_nor_mean),
        cmocka_unit_test(markdown_tells_the_method_and_the_machine),
        cmocka_unit_test(another_memory_is_told),
        cmocka_unit_test(a_missing_cell_is_told),
        cmocka_unit_test(other_json_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, free_sheet);
}
