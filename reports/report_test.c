// Tests of tables and the report, with results that are made here.
#include "cli/test.h"
#include "reports/report.h"
#include "reports/results_view.h"

static char *printed; // the last text
static size_t printed_bytes;

static FILE *capture(void) {
    free(printed);
    FILE *stream = open_memstream(&printed, &printed_bytes);
    assert_non_null(stream);
    return stream;
}

// Prints a table, and in Markdown too if `both`, and frees it.
static const char *print_table(table *t, bool both) {
    FILE *stream = capture();
    table_print(t, TABLE_TERMINAL, stream);
    if (both) table_print(t, TABLE_MARKDOWN, stream);
    fclose(stream);
    table_free(t);
    return printed;
}

TEST(table_is_aligned) {
    const char *const headers[] = {"name", "a", "long header"};
    table *t = table_new(3, headers);
    size_t row = table_row(t);
    table_set(t, row, 0, "größe");
    table_set(t, row, 1, "%d", 12345);
    table_set(t, row, 2, "%.1f", 1.5);
    assert_string_equal(print_table(t, true), "name      a long header\n"
                                              "größe 12345         1.5\n"
                                              "| name  |     a | long header |\n"
                                              "| --- | ---: | ---: |\n"
                                              "| größe | 12345 |         1.5 |\n");
}

// Whatever a cell contains, it is one cell of one line, as wide as a terminal prints it.
TEST(cells_are_escaped_and_aligned) {
    const char *const headers[] = {"na|me", "漢字"};
    table *t = table_new(2, headers);
    table_set(t, table_row(t), 0, "a\nb");
    table_set(t, 1, 1, "caf\xe9");
    table_set(t, table_row(t), 0, "*`_<x_y");
    table_set(t, 2, 1, "-1");
    assert_string_equal(print_table(t, true), "na|me      漢字\n"
                                              "a\\nb    caf\\xe9\n"
                                              "*`_<x_y      -1\n"
                                              "| na\\|me      |     漢字 |\n"
                                              "| --- | ---: |\n"
                                              "| a\\\\nb       | caf\\\\xe9 |\n"
                                              "| \\*\\`\\_\\<x_y |       -1 |\n");
}

TEST(a_long_name_is_shortened_on_terminals_only) {
    char name[4097];
    memset(name, 'x', sizeof name - 1);
    memcpy(name, "first", 5);
    memcpy(name + 4092, "last", 5);
    const char *const headers[] = {"name", name};
    const char *text = print_table(table_new(2, headers), true);
    const char *short_name = strstr(text, "firstxxxxxxxxxxx…xxxxxxxxxxxlast\n");
    assert_true(short_name && short_name < strstr(text, "| ---"));
    assert_true(strstr(text, name) > strstr(text, "| "));
}

TEST(a_wide_table_is_printed_in_parts) {
    const char *headers[21];
    for (size_t i = 0; i < 21; i++)
        headers[i] = i ? "0123456789" : "row";
    table *t = table_new(21, headers);
    table_set(t, table_row(t), 0, "first");
    print_table(t, false);
    size_t parts = 0, columns = 0;
    for (const char *c = printed; (c = strstr(c, "row")); c++)
        parts++;
    for (const char *c = printed; (c = strstr(c, "0123456789")); c++)
        columns++;
    assert_int_equal(parts, 4); // 6 columns of 11 after a first one of 5
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

// Adds a row that compares base with another allocator.
static void add_row(json_t *rows, const char *b, const char *workload, const char *pass,
                    double ratio, const char *verdict) {
    json_array_append_new(
        rows, json_pack("{s:s, s:s, s:s, s:s, s:o, s:o, s:o, s:s}", "a", "base", "b", b, "workload",
                        workload, "pass", pass, "ratio", ratio > 0 ? json_real(ratio) : json_null(),
                        "low", ratio > 0 ? json_real(ratio * 0.9) : json_null(), "high",
                        ratio > 0 ? json_real(ratio * 1.1) : json_null(), "verdict", verdict));
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
            // quick is b: the report reads its rows backwards
            add_row(rows, "quick", workloads[w], passes[p], 0.5, "slower");
            add_row(rows, "broken", workloads[w], passes[p], w ? -1 : 4, w ? "unclear" : "faster");
        }
        add_row(rows, "quick", "geometric mean", passes[p], 0.5, "slower");
        add_row(rows, "broken", "geometric mean", passes[p], 4, "faster");
    }
    json_t *context = json_pack(
        "{s:s, s:f, s:s, s:i, s:[{s:s, s:s, s:s, s:b, s:b}, {s:s, s:s, s:s, s:b}, "
        "{s:s, s:s, s:s, s:b}], s:[{s:s}, {s:s}]}",
        "baseline", "base", "minimum_effect", 0.01, "command", "linmem compare", "blocks", 7,
        "allocators", "name", "base", "kind", "host", "allocator", "base", "frees_blocks", 1,
        "shares_threads", 1, "name", "quick", "kind", "strategy", "allocator", "quick",
        "frees_blocks", 0, "name", "broken", "kind", "strategy", "allocator", "broken",
        "frees_blocks", 1, "workloads", "name", "one", "name", "two");
    return json_pack("{s:s, s:i, s:o, s:o, s:o}", "format", "linmem-results", "version", 1,
                     "context", context, "cells", cells, "comparisons", rows);
}

static void set(json_t *object, const char *key, const char *text) {
    json_object_set_new(object, key, json_string(text));
}

static json_t *allocator_entry(json_t *results, size_t index) {
    json_t *context = json_object_get(results, "context");
    return json_array_get(json_object_get(context, "allocators"), index);
}

static bool is(const json_t *object, const char *key, const char *text) {
    return strcmp(json_string_value(json_object_get(object, key)), text) == 0;
}

// Prints a report of results and frees them.
static const char *report_of(json_t *results, table_form form) {
    FILE *stream = capture();
    assert_true(report_print(results, form, stream));
    fclose(stream);
    json_decref(results);
    return printed;
}

TEST(the_terminal_shows_failures_and_losses_first) {
    const char *text = report_of(some_results(), TABLE_TERMINAL);
    const char *failed = strstr(text, "broken on two: killed by SIGSEGV");
    const char *lost = strstr(text, "broken    warm: one 0.25"), *first = strstr(text, "Warm: ");
    assert_true(failed && lost && first && failed < lost && lost < first);
    assert_null(strstr(text, "quick     warm:")); // is never slower
    // A failed cell has neither ratio nor mean.
    const char *broken = strstr(text, "broken    0.25-  fail  fail\n");
    const char *base = strstr(text, "base         1     1     1 \n");
    assert_true(broken && broken < base); // slowest first
    assert_non_null(strstr(text, "quick     2.00+ 2.00+ 2.00+\n"));
    assert_non_null(strstr(text, "Thread-safe: base.\nThe other strategies serve one thread.\n"));
}

// Adds the engine to all cells and rows, and times of `native` to each cell.
static void divide_into_engines(json_t *results, const char *engine, double native_times) {
    static const char *const lists[] = {"cells", "comparisons"};
    for (size_t l = 0; l < 2; l++) {
        json_t *list = json_object_get(results, lists[l]), *more = json_array(), *entry;
        size_t i;
        json_array_foreach(list, i, entry) {
            json_t *copy = json_deep_copy(entry), *ns = json_object_get(copy, "ns_per_op");
            double median = json_number_value(json_object_get(ns, "median"));
            set(entry, "engine", "native");
            set(copy, "engine", engine);
            if (median > 0) json_object_set_new(ns, "median", json_real(median * native_times));
            json_object_set_new(copy, "module_bytes", json_integer(1234));
            set(copy, "reached", "linked");
            json_array_append_new(more, copy);
        }
        json_array_extend(list, more);
        json_decref(more);
    }
    json_t *context = json_object_get(results, "context"), *engines = json_array();
    const char *const names[] = {"native", engine};
    for (size_t i = 0; i < 2; i++) {
        json_t *entry = json_deep_copy(context);
        set(entry, "engine", names[i]);
        set(entry, "engine_version", "1.2");
        json_array_append_new(engines, entry);
    }
    json_object_set_new(context, "engines", engines);
}

TEST(each_engine_has_sections_and_all_have_a_table) {
    json_t *results = some_results();
    divide_into_engines(results, "v8", 1.25);
    const char *text = report_of(results, TABLE_TERMINAL);
    const char *native = strstr(text, "Engine native: 1.2"), *v8 = strstr(text, "Engine v8: 1.2");
    const char *across = strstr(text, "relative to the same allocator in `native`");
    assert_true(native && v8 && across && native < v8 && v8 < across);
    const char *sizes = strstr(text, "quick      1234  linked");
    assert_true(sizes && sizes > v8 && sizes < across);
    assert_non_null(strstr(across, "quick       1.00 0.80\n"));
}

TEST(markdown_has_the_method_and_the_environment) {
    const char *text = report_of(some_results(), TABLE_MARKDOWN);
    static const char *const parts[] = {
        "# Allocators compared",   "`linmem compare`", "| allocator |",    "## Environment",
        "single blocks (`quick`)", "blocks: 7",        "ns per operation", "Biases"};
    for (size_t i = 0; i < ITEMS(parts); i++)
        if (!strstr(text, parts[i])) fail_msg("'%s' is missing", parts[i]);
}

// Another memory option than the default comes first, with what it sets in system mallocs.
TEST(another_memory_option_is_reported) {
    static const struct {
        const char *name, *title, *method;
    } rows[] = {
        {NULL, NULL, "4 KiB pages, none prefaulted"},
        {"4k", NULL, "4 KiB pages, none prefaulted"},
        {"2m", "Memory: 2m, committed in steps", "prefaulted 2 MiB at a time"},
        {"huge", "Memory: huge pages", "in transparent huge pages"},
    };
    for (size_t i = 0; i < 2 * ITEMS(rows); i++) {
        const char *name = rows[i / 2].name, *title = rows[i / 2].title;
        json_t *results = some_results();
        if (name) set(json_object_get(results, "context"), "memory_options", name);
        if (i % 2) set(allocator_entry(results, 0), "environment", "BASE_CONF=huge");
        const char *text = report_of(results, TABLE_MARKDOWN);
        assert_non_null(strstr(text, rows[i / 2].method));
        const char *setting =
            strstr(text, i % 2 ? "- base: BASE_CONF=huge\n" : "- base: no such setting\n");
        assert_int_equal(setting != NULL, title != NULL);
        assert_int_equal(strstr(text, "Memory: ") != NULL, title != NULL);
        assert_int_equal(strstr(text, "Huge pages of 2 MiB") != NULL, i / 2 == 3);
        if (title)
            assert_true(strstr(text, title) < setting && setting < strstr(text, "## Failed"));
    }
}

// Returns results of so many blocks, with the fields that the command writes for them.
static json_t *results_of_blocks(int blocks, int needed) {
    json_t *results = some_results(), *context = json_object_get(results, "context"), *row;
    json_object_set_new(context, "blocks", json_integer(blocks));
    json_object_set_new(context, "blocks_asked", json_integer(15));
    json_object_set_new(context, "blocks_for_verdicts", json_integer(needed));
    size_t i;
    json_array_foreach(json_object_get(results, "comparisons"), i, row) {
        json_object_set_new(row, "blocks", json_integer(blocks));
        if (blocks < needed) set(row, "verdict", "unclear");
    }
    return results;
}

TEST(too_few_blocks_give_no_verdicts) {
    for (int form = TABLE_TERMINAL; form <= TABLE_MARKDOWN; form++) {
        const char *text = report_of(results_of_blocks(2, 6), (table_form)form);
        assert_non_null(strstr(text, "2 blocks: no verdicts (6 needed)\n"));
        assert_non_null(strstr(text, " range "));
        static const char *const verdicts[] = {"Losses",  "95 % cold", "| 95 %",
                                               "Control", "none\n",    "2.00+"};
        for (size_t i = 0; i < ITEMS(verdicts); i++)
            if (strstr(text, verdicts[i])) fail_msg("'%s' in: %s", verdicts[i], text);
    }
    assert_null(strstr(report_of(results_of_blocks(6, 6), TABLE_TERMINAL), "no verdicts"));
    assert_non_null(strstr(printed, "Losses"));
    assert_non_null(strstr(printed, " 95 % "));
}

// A row of fewer blocks than the others has no mark, and its range is labelled.
TEST(a_row_of_few_blocks_is_no_verdict) {
    json_t *results = results_of_blocks(7, 6), *row;
    size_t i;
    json_array_foreach(json_object_get(results, "comparisons"), i, row) {
        if (!is(row, "b", "quick")) continue;
        json_object_set_new(row, "blocks", json_integer(5));
        set(row, "verdict", "unclear");
    }
    const char *text = report_of(results, TABLE_TERMINAL);
    assert_non_null(strstr(text, "quick     2.00  2.00  2.00 \n"));
    assert_non_null(strstr(text, "range 1.818-2.222"));
}

TEST(an_interruption_is_reported_first) {
    static const char *const headings[] = {"## Interrupted before the first block",
                                           "## Interrupted in block 4 of 15\n",
                                           "## Interrupted in block 8 of 15\n"};
    for (int i = 0; i < 3; i++) {
        json_t *results = results_of_blocks(4 * i, 6);
        json_object_set_new(json_object_get(results, "context"), "interrupted", json_true());
        const char *text = report_of(results, TABLE_MARKDOWN), *found = strstr(text, headings[i]);
        assert_true(found && found < strstr(text, "## Failed"));
    }
}

TEST(a_pass_too_short_has_no_figure) {
    json_t *results = results_of_blocks(7, 6), *entry;
    size_t i;
    static const char *const keys[] = {"cells", "comparisons"};
    for (size_t k = 0; k < 2; k++)
        json_array_foreach(json_object_get(results, keys[k]), i, entry) {
            if (is(entry, "pass", "cold")) json_object_set_new(entry, "too_short", json_true());
        }
    const char *text = report_of(results, TABLE_TERMINAL);
    assert_non_null(strstr(text, "Too short to time"));
    assert_non_null(strstr(text, "cold, one: base, quick, broken\n"));
    assert_null(strstr(text, "warm, one: base"));
    assert_non_null(strstr(text, "quick     short short short\n"));
    assert_non_null(strstr(text, "quick     2.00+ 2.00+ 2.00+\n"));
    const char *interval = strstr(text, "1.818-2.222"); // of the warm mean
    assert_true(interval && !strstr(interval + 1, "1.818-2.222"));
}

// Sets every text in the results that a user, a machine or another program chose.
static json_t *hostile_results(const char *hostile) {
    json_t *results = some_results(), *context = json_object_get(results, "context"), *entry;
    static const char *const names[] = {"command", "governor", "date"};
    for (size_t n = 0; n < ITEMS(names); n++)
        set(context, names[n], hostile);
    set(context, "memory_options", "huge");
    set(allocator_entry(results, 0), "environment", hostile);
    set(allocator_entry(results, 0), "answered_by", hostile);
    set(allocator_entry(results, 2), "name", hostile);
    set(json_array_get(json_object_get(context, "workloads"), 1), "name", hostile);
    size_t i;
    json_array_foreach(json_object_get(results, "cells"), i, entry) {
        if (!is(entry, "status", "ok")) set(entry, "status", hostile);
        if (is(entry, "workload", "two")) set(entry, "workload", hostile);
    }
    return results;
}

TEST(hostile_texts_stay_texts) {
    static const char *const texts[] = {
        "a|b",       "`",
        "``",        "\x1b[2J\x1b]0;x\x07",
        "\u202eabc", "<b>&lt;",
        "# x",       "- x",
        "1. x",      "*x*",
        "[x](y)",    "\n\n## x",
        "\t",        "漢字漢字漢字漢字漢字漢字漢字漢字漢字",
        "",          "-x",
        "a_b _c_",   "\\",
        "%s%n",
    };
    for (size_t i = 0; i < 2 * ITEMS(texts); i++) {
        table_form form = i % 2 ? TABLE_MARKDOWN : TABLE_TERMINAL;
        const char *text = report_of(hostile_results(texts[i / 2]), form);
        size_t bars = 0;
        for (const char *line = text; *line; line += strcspn(line, "\n") + 1) {
            size_t length = strcspn(line, "\n"), here = 0;
            for (size_t c = 0; c < length; c++) {
                assert_true((unsigned char)line[c] >= ' ' && line[c] != 0x7f);
                here += line[c] == '|' && (c == 0 || line[c - 1] != '\\');
            }
            if (form == TABLE_TERMINAL || *line != '|') here = 0;
            if (here && bars) assert_int_equal(here, bars);
            bars = here;
            assert_int_not_equal(strncmp(line, "## x", 4), 0);
        }
        assert_null(strstr(text, "\u202e"));
    }
}

// However many there are, each has its column.
TEST(hundreds_of_workloads_are_reported) {
    enum { WORKLOADS = 400 };
    json_t *results = some_results(), *context = json_object_get(results, "context");
    json_t *workloads = json_object_get(context, "workloads");
    for (int i = 2; i < WORKLOADS; i++)
        json_array_append_new(workloads, json_pack("{s:o}", "name", json_sprintf("w%d", i)));
    const char *text = report_of(results, TABLE_MARKDOWN);
    assert_non_null(strstr(text, " w2 |"));
    assert_non_null(strstr(text, " w399 |"));
}

TEST(a_missing_cell_is_reported) {
    json_t *results = some_results();
    json_array_clear(json_object_get(results, "cells"));
    assert_non_null(strstr(report_of(results, TABLE_TERMINAL), "quick on two: not measured\n"));
}

TEST(other_json_is_refused) {
    static const char *const keys[] = {"format", "version", "context", "cells", "comparisons"};
    for (size_t i = 0; i < ITEMS(keys); i++) {
        json_t *results = some_results();
        json_object_del(results, keys[i]);
        FILE *stream = capture();
        assert_false(report_print(results, TABLE_MARKDOWN, stream));
        fclose(stream);
        assert_int_equal(printed_bytes, 0);
        results_view view;
        const char *reason = results_view_open(&view, results);
        if (!reason || !strstr(reason, keys[i])) fail_msg("without %s: '%s'", keys[i], reason);
        json_decref(results);
    }
}

// Every row can be read in both directions: the file has one.
TEST(a_comparison_reads_both_ways) {
    json_t *results = some_results();
    results_view view;
    assert_null(results_view_open(&view, results));
    view_ratio forward = view_compare(&view, "base", "quick", "one", "warm");
    view_ratio back = view_compare(&view, "quick", "base", "one", "warm");
    assert_true(forward.low == 0.5 * 0.9 && forward.ratio == 0.5 && forward.high == 0.5 * 1.1);
    assert_true(back.low == 1 / forward.high && back.ratio == 2 && back.high == 1 / forward.low);
    assert_true(back.low < back.ratio && back.ratio < back.high);
    assert_string_equal(forward.verdict, "slower");
    assert_string_equal(back.verdict, "faster");
    results_view_close(&view);
    json_decref(results);
}

static const char *reason_with(const char *list, const char *key, const char *value) {
    json_t *results = some_results(), *entry = json_array_get(json_object_get(results, list), 0);
    if (strcmp(list, "cells") == 0) entry = json_object_get(entry, "ns_per_op");
    json_object_set_new(entry, key, json_loads(value, JSON_DECODE_ANY, NULL));
    results_view view;
    const char *reason = results_view_open(&view, results);
    if (!reason) results_view_close(&view);
    json_decref(results);
    return reason ? reason : "";
}

// The median is 10, the ratio is 0.5 within 0.45 … 0.55.
TEST(an_interval_upside_down_is_refused) {
    static const struct {
        const char *list, *key, *value, *reason;
    } rows[] = {
        {"cells", "low", "11", "one of its cells has an interval that excludes its median"},
        {"cells", "high", "9", "one of its cells has an interval that excludes its median"},
        {"cells", "low", "10", ""},
        {"cells", "high", "null", ""},
        {"comparisons", "low", "0.51", "an interval that excludes its ratio"},
        {"comparisons", "high", "0.49", "an interval that excludes its ratio"},
        {"comparisons", "ratio", "0.56", "an interval that excludes its ratio"},
        {"comparisons", "low", "-0.1", "a ratio below 0"},
        {"comparisons", "low", "-0.0", "a ratio below 0"},
        {"comparisons", "low", "0", ""},
        {"comparisons", "ratio", "null", ""},
        {"comparisons", "low", "null", ""},
    };
    for (size_t i = 0; i < ITEMS(rows); i++) {
        const char *reason = reason_with(rows[i].list, rows[i].key, rows[i].value);
        if (!strstr(reason, rows[i].reason) || !*rows[i].reason != !*reason)
            fail_msg("%s %s: '%s'", rows[i].key, rows[i].value, reason);
    }
}

static int free_printed(void **state) {
    free(printed);
    return 0;
}

TEST_MAIN(NULL, free_printed)
