#include "reports/report.h"

#include "cli/text.h"
#include "reports/results_view.h"

#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

typedef struct report {
    results_view view;
    const char **rows; // the allocators, slowest first
    table_form form;
    FILE *stream;
} report;

typedef enum line_kind { HEADING, ITEM, PARAGRAPH } line_kind;

// Prints a text of this kind, escaped.
__attribute__((format(printf, 3, 4))) static void report_line(const report *r, line_kind kind,
                                                              const char *format, ...) {
    static const struct {
        const char *before, *after;
    } marks[][2] = {
        [HEADING] = {[TABLE_TERMINAL] = {"\n", "\n"}, [TABLE_MARKDOWN] = {"\n## ", "\n\n"}},
        [ITEM] = {[TABLE_TERMINAL] = {"  ", "\n"}, [TABLE_MARKDOWN] = {"- ", "\n"}},
        [PARAGRAPH] = {[TABLE_TERMINAL] = {"\n", "\n"}, [TABLE_MARKDOWN] = {"\n", "\n"}},
    };
    char *text;
    va_list arguments;
    va_start(arguments, format);
    if (vasprintf(&text, format, arguments) < 0) abort();
    va_end(arguments);
    fputs(marks[kind][r->form].before, r->stream);
    table_print_text(r->form, text, r->stream);
    fputs(marks[kind][r->form].after, r->stream);
    free(text);
}

// Returns the mean over all workloads, or none if a cell failed: it would not be comparable.
static view_ratio report_mean_ratio(const report *r, const char *allocator, const char *pass) {
    for (size_t w = 0; w < r->view.workload_count; w++)
        if (!view_ok(view_cell(&r->view, allocator, r->view.workloads[w], pass)))
            return view_no_ratio;
    if (strcmp(allocator, r->view.baseline) == 0) return (view_ratio){1, 1, 1, "same", true, false};
    return view_compare(&r->view, allocator, r->view.baseline, VIEW_GEOMETRIC_MEAN, pass);
}

// Sorts by the warm mean: first the allocators without one, then the slowest.
static void report_sort_rows(report *r) {
    double *keys = calloc(r->view.allocator_count + 1, sizeof *keys);
    if (!keys) abort();
    for (size_t i = 0; i < r->view.allocator_count; i++) {
        const char *name = r->view.allocators[i];
        double ratio = report_mean_ratio(r, name, "warm").ratio, key = isnan(ratio) ? -1 : ratio;
        size_t at = i;
        for (; at > 0 && keys[at - 1] > key; at--) {
            keys[at] = keys[at - 1];
            r->rows[at] = r->rows[at - 1];
        }
        keys[at] = key;
        r->rows[at] = name;
    }
    free(keys);
}

// Returns whether the results are of this machine's code, not of an engine for WebAssembly.
static bool report_is_native(const report *r) {
    return !*r->view.engine || strcmp(r->view.engine, "native") == 0;
}

static bool report_is_kind(const report *r, const char *allocator, const char *kind) {
    return strcmp(view_allocator_text(&r->view, allocator, "kind"), kind) == 0;
}

// ---- Tables: a row for each allocator, a column for each workload -------------------------------

static table *report_workload_table(const report *r, const char *last) {
    const char **headers = calloc(r->view.workload_count + 2, sizeof *headers);
    if (!headers) abort();
    headers[0] = "allocator";
    memcpy(headers + 1, r->view.workloads, r->view.workload_count * sizeof *headers);
    headers[r->view.workload_count + 1] = last;
    table *t = table_new(r->view.workload_count + 1 + (last != NULL), headers);
    free(headers);
    return t;
}

// There is no mark if the blocks are too few for a verdict.
static const char *report_mark_of(const view_ratio *ratio) {
    if (!ratio->bounded) return " ";
    if (strcmp(ratio->verdict, "faster") == 0) return "+";
    if (strcmp(ratio->verdict, "slower") == 0) return "-";
    return strcmp(ratio->verdict, "same") == 0 ? "=" : "?";
}

static int report_decimals(double ratio) {
    return ratio < 0.01 ? 4 : ratio < 0.1 ? 3 : 2;
}

static void report_set_ratio(table *t, size_t row, size_t column, const view_ratio *ratio) {
    if (isnan(ratio->ratio))
        table_set(t, row, column, "fail");
    else if (ratio->too_short)
        table_set(t, row, column, "short");
    else
        table_set(t, row, column, "%.*f%s", report_decimals(ratio->ratio), ratio->ratio,
                  report_mark_of(ratio));
}

static void report_print_ratios(const report *r, const char *pass) {
    table *t = report_workload_table(r, "mean");
    for (size_t i = 0; i < r->view.allocator_count; i++) {
        const char *name = r->rows[i];
        size_t row = table_row(t);
        bool baseline = strcmp(name, r->view.baseline) == 0;
        table_set(t, row, 0, "%s", name);
        for (size_t w = 0; w <= r->view.workload_count; w++) {
            view_ratio ratio =
                w == r->view.workload_count
                    ? report_mean_ratio(r, name, pass)
                    : view_compare(&r->view, name, r->view.baseline, r->view.workloads[w], pass);
            if (baseline)
                table_set(t, row, w + 1, "1 ");
            else
                report_set_ratio(t, row, w + 1, &ratio);
        }
    }
    table_print(t, r->form, r->stream);
    table_free(t);
}

// Returns whether an allocator has such a number for any workload, or failed.
static bool report_has_numbers(const report *r, const char *name, const char *pass,
                               const char *key) {
    for (size_t w = 0; w < r->view.workload_count; w++) {
        const json_t *cell = view_cell(&r->view, name, r->view.workloads[w], pass);
        if (!isnan(view_number(cell, key)) || !view_ok(cell)) return true;
    }
    return false;
}

// Prints a number of each cell of a pass, divided by `unit`; no row for allocators without one, as
// system mallocs have no linear memory.
static void report_print_numbers(const report *r, const char *pass, const char *key, double unit,
                                 int decimals) {
    table *t = report_workload_table(r, NULL);
    for (size_t i = 0; i < r->view.allocator_count; i++) {
        if (!report_has_numbers(r, r->rows[i], pass, key)) continue;
        size_t row = table_row(t);
        table_set(t, row, 0, "%s", r->rows[i]);
        for (size_t w = 0; w < r->view.workload_count; w++) {
            const json_t *cell = view_cell(&r->view, r->rows[i], r->view.workloads[w], pass);
            double value = view_number(cell, key) / unit;
            if (strcmp(key, "ns_per_op") == 0 && view_too_short(cell))
                table_set(t, row, w + 1, "short");
            else if (!isnan(value))
                table_set(t, row, w + 1, "%.*f", decimals, value);
            else
                table_set(t, row, w + 1, "%s", view_ok(cell) ? "-" : "fail");
        }
    }
    table_print(t, r->form, r->stream);
    table_free(t);
}

// ---- Sections -----------------------------------------------------------------------------------

// Returns whether there are enough blocks for verdicts. Older results do not say how many are
// needed.
static bool report_has_verdicts(const report *r) {
    return r->view.blocks >= r->view.blocks_needed;
}

// Prints the workloads on which a strategy is slower than the baseline. Returns their number.
static size_t report_print_losses_of(const report *r, const char *name, const char *pass) {
    size_t losses = 0;
    for (size_t w = 0; w < r->view.workload_count; w++) {
        const char *workload = r->view.workloads[w];
        view_ratio ratio = view_compare(&r->view, name, r->view.baseline, workload, pass);
        if (strcmp(ratio.verdict, "slower") != 0) continue;
        if (losses++ == 0) {
            size_t columns = text_columns(name);
            fputs(r->form == TABLE_MARKDOWN ? "- " : "  ", r->stream);
            table_print_text(r->form, name, r->stream);
            fprintf(r->stream, "%*s %s:", columns < 9 ? (int)(9 - columns) : 0, "", pass);
        } else if (losses % 4 == 1 && r->form == TABLE_TERMINAL) {
            fprintf(r->stream, "\n%*s", 17, "");
        }
        fputc(' ', r->stream);
        table_print_text(r->form, workload, r->stream);
        fprintf(r->stream, " %.*f", report_decimals(ratio.ratio), ratio.ratio);
    }
    if (losses) fputc('\n', r->stream);
    return losses;
}

static void report_print_losses(const report *r) {
    if (!report_has_verdicts(r)) return;
    report_line(r, HEADING, "Losses: strategies slower than %s", r->view.baseline);
    size_t losses = 0;
    for (size_t i = 0; i < r->view.allocator_count; i++) {
        if (!report_is_kind(r, r->rows[i], "strategy")) continue;
        losses += report_print_losses_of(r, r->rows[i], "warm");
        losses += report_print_losses_of(r, r->rows[i], "cold");
    }
    if (!losses) report_line(r, ITEM, "none");
}

static const char *report_context_text(const report *r, const char *key) {
    const char *value = json_string_value(json_object_get(r->view.context, key));
    return value ? value : "unknown";
}

static double report_context_number(const report *r, const char *key) {
    return json_number_value(json_object_get(r->view.context, key));
}

static bool report_context_flag(const report *r, const char *key) {
    return json_is_true(json_object_get(r->view.context, key));
}

// By their names in results.json; older results have none.
static const struct memory_option {
    const char *name, *title, *strategies, *method;
} memory_options[] = {
    {"4k", NULL, NULL, "4 KiB pages, none prefaulted"},
    {"2m", "Memory: 2m, committed in steps of 2 MiB (default: 4k, page by page)",
     "strategies: linear memory grows by 2 MiB at a time",
     "4 KiB pages; linear memory is prefaulted 2 MiB at a time as it grows, within the pass (that "
     "of `ideal` and `floor` before it), memory of system mallocs is not"},
    {"huge", "Memory: huge pages if the system has them (default: 4k)",
     "strategies: linear memory is advised to use huge pages",
     "transparent huge pages where requested and available, none prefaulted"},
};

static const struct memory_option *report_memory_option_of(const report *r) {
    const char *name = report_context_text(r, "memory_options");
    for (size_t i = 1; i < sizeof memory_options / sizeof *memory_options; i++)
        if (strcmp(name, memory_options[i].name) == 0) return &memory_options[i];
    return &memory_options[0];
}

// Prints a memory option other than the default, with what it sets in each system malloc.
static void report_print_memory_option(const report *r) {
    const struct memory_option *option = report_memory_option_of(r);
    if (!option->title) return;
    report_line(r, HEADING, "%s", option->title);
    report_line(r, ITEM, "%s", option->strategies);
    for (size_t i = 0; i < r->view.allocator_count; i++) {
        const char *name = r->view.allocators[i];
        const char *setting = view_allocator_text(&r->view, name, "environment");
        if (report_is_kind(r, name, "host"))
            report_line(r, ITEM, "%s: %s", name, *setting ? setting : "no such setting");
    }
}

// Prints in what the measurement is incomplete.
static void report_print_shortfall(const report *r) {
    long long blocks = r->view.blocks, needed = r->view.blocks_needed;
    if (report_context_flag(r, "interrupted") && blocks == 0)
        report_line(r, HEADING, "Interrupted before the first block: nothing was measured");
    else if (report_context_flag(r, "interrupted"))
        report_line(r, HEADING, "Interrupted in block %lld of %.0f", blocks,
                    report_context_number(r, "blocks_asked"));
    if (report_has_verdicts(r)) return;
    report_line(r, HEADING, "%lld block%s: no verdicts (%lld needed)", blocks,
                blocks == 1 ? "" : "s", needed);
    report_line(r, ITEM, "Ratios are medians, with their whole range; differences may be chance.");
    report_line(r, ITEM, "Measure more with '--blocks %lld' or '--profile standard'.", needed);
}

static void report_print_failures(const report *r) {
    bool any = false;
    for (size_t i = 0; i < r->view.allocator_count; i++)
        for (size_t w = 0; w < r->view.workload_count; w++) {
            const char *name = r->view.allocators[i], *workload = r->view.workloads[w];
            const json_t *cell = view_cell(&r->view, name, workload, "warm");
            if (view_ok(cell)) continue;
            if (!any) report_line(r, HEADING, "Failed cells");
            any = true;
            const char *status = json_string_value(json_object_get(cell, "status"));
            report_line(r, ITEM, "%s on %s: %s", name, workload, status ? status : "not measured");
        }
}

// Prints the passes that the clock cannot resolve: an item for each pass of a workload.
static void report_print_short(const report *r) {
    bool any = false;
    for (size_t w = 0; w < 2 * r->view.workload_count; w++) {
        const char *workload = r->view.workloads[w / 2], *pass = w % 2 ? "cold" : "warm";
        char *names = NULL;
        for (size_t i = 0; i < r->view.allocator_count; i++) {
            const char *name = r->view.allocators[i];
            if (view_too_short(view_cell(&r->view, name, workload, pass)))
                text_list_add(&names, name);
        }
        if (names && !any)
            report_line(r, HEADING,
                        "Too short to time: passes of less than 1,000 steps of the clock");
        if (names) report_line(r, ITEM, "%s, %s: %s", pass, workload, names);
        any |= names != NULL;
        free(names);
    }
}

static void report_print_means(const report *r) {
    char *base = text_format("warm, x %s", r->view.baseline);
    char *memory = text_format("memory, x %s", r->view.baseline);
    const char *memory_key = report_is_native(r) ? "peak_rss_bytes" : "peak_heap_bytes";
    const char *interval = report_has_verdicts(r) ? "95 %" : "range";
    const char *headers[] = {"allocator", base, interval, "cold", interval, memory};
    table *t = table_new(6, headers);
    free(base);
    free(memory);
    for (size_t i = 0; i < r->view.allocator_count; i++) {
        const char *name = r->rows[i];
        size_t row = table_row(t);
        table_set(t, row, 0, "%s", name);
        for (size_t p = 0; p < 2; p++) {
            view_ratio ratio = report_mean_ratio(r, name, p ? "cold" : "warm");
            if (strcmp(name, r->view.baseline) == 0) {
                table_set(t, row, 1 + 2 * p, isnan(ratio.ratio) ? "fail" : "1 ");
                continue;
            }
            report_set_ratio(t, row, 1 + 2 * p, &ratio);
            if (isnan(ratio.ratio) || ratio.too_short) continue;
            table_set(t, row, 2 + 2 * p, "%s%.3f-%.3f",
                      report_has_verdicts(r) && !ratio.bounded ? "range " : "", ratio.low,
                      ratio.high);
        }
        double mean = view_mean_of(&r->view, name, r->view.baseline, memory_key);
        if (isfinite(mean)) table_set(t, row, 5, "%.2f", mean);
    }
    table_print(t, r->form, r->stream);
    table_free(t);
}

static void report_print_threads(const report *r) {
    char *names = NULL;
    bool others = false;
    for (size_t i = 0; i < r->view.allocator_count; i++) {
        const char *name = r->view.allocators[i];
        if (report_is_kind(r, name, "yardstick") || strpbrk(name, "#+")) continue;
        bool shared = view_allocator_can(&r->view, name, "shares_threads");
        if (shared) text_list_add(&names, name);
        others |= !shared;
    }
    if (!names) return;
    report_line(r, PARAGRAPH, "Thread-safe: %s.", names);
    if (others) fputs("The other strategies serve one thread.\n", r->stream);
    free(names);
}

// Prints how often two entries of the same allocator differ: each such verdict is false.
static void report_print_controls(const report *r) {
    const results_view *v = &r->view;
    for (size_t i = 0; i < v->allocator_count; i++)
        for (size_t j = 0; j < i; j++) {
            const char *a = v->allocators[j], *b = v->allocators[i];
            if (strcmp(view_allocator_text(v, a, "allocator"),
                       view_allocator_text(v, b, "allocator")) != 0 ||
                strchr(a, '+') || strchr(b, '+'))
                continue;
            size_t wrong = 0, cells = 0;
            for (size_t w = 0; w < 2 * v->workload_count; w++) {
                view_ratio ratio =
                    view_compare(v, a, b, v->workloads[w / 2], w % 2 ? "cold" : "warm");
                if (!ratio.bounded || ratio.too_short) continue;
                cells++;
                wrong +=
                    strcmp(ratio.verdict, "faster") == 0 || strcmp(ratio.verdict, "slower") == 0;
            }
            if (cells && report_has_verdicts(r))
                report_line(r, PARAGRAPH,
                            "Control: %s and %s differ in %zu of %zu cells (expected: up to 5 %%).",
                            a, b, wrong, cells);
        }
}

static void report_print_environment(const report *r) {
    report_line(r, HEADING, "Environment");
    const char *key;
    json_t *value;
    json_object_foreach(json_object_get(r->view.results, "context"), key, value) {
        const char *text = json_is_null(value) ? "unknown" : json_string_value(value);
        if (text && *text) report_line(r, ITEM, "%s: %s", key, text);
    }
    report_line(r, ITEM, "blocks: %lld, in %.0f s (%.0f s of it for verification)",
                (long long)r->view.blocks, report_context_number(r, "seconds"),
                report_context_number(r, "verify_seconds"));
    for (size_t i = 0; i < r->view.allocator_count; i++) {
        const char *name = r->view.allocators[i];
        const char *proof = view_allocator_text(&r->view, name, "answered_by");
        if (*proof) report_line(r, ITEM, "%s: %s", name, proof);
    }
}

// Prints own texts, which are Markdown, between those of the results.
static void report_print_method(const report *r) {
    report_line(r, HEADING, "Method and biases");
    if (!report_is_native(r))
        fputs("- Each allocator is a WebAssembly module with the player inside: no call leaves the "
              "module in a pass. The number of rounds is fixed; warm times are those of the second "
              "half, by when the engine has optimised. The first pass includes compilation. The "
              "cost of `memory.grow` is in the times. Allocators of other projects take what they "
              "get before the replay is loaded, and are called through a wrapper, one direct call "
              "more than strategies, because WebAssembly compares signatures. Verified is the "
              "module that is timed, at check level 0. What follows on system mallocs and page "
              "faults is of `native`.\n",
              r->stream);
    fputs("- A ratio is the time of ", r->stream);
    table_print_text(r->form, r->view.baseline, r->stream);
    fprintf(
        r->stream,
        " divided by the time of the allocator: above 1 is faster. It is the median over "
        "blocks; a block runs every allocator once, in random order, each in a fresh process. "
        "`+` faster and `-` slower: the 95 %% confidence interval (sign test) is on one side "
        "of 1. `=` same: the interval is within %.0f %%. `?`: unclear. With fewer than 6 "
        "blocks there is no such interval, and no mark.\n"
        "- A pass of less than 1,000 steps of the clock is too short to time. Short warm passes "
        "are repeated until they are long enough, if the replay frees every block.\n"
        "- All allocators are called through one table of function pointers (system mallocs "
        "without "
        "wrappers), by %s, without a size in free, with memory in %s. Each block is touched once "
        "in "
        "every 4 KiB.\n"
        "- Before a cell is timed, a verified run checks content, alignment and bounds of every "
        "block, and walks the heap of a strategy (at check level 2) every 4,096 calls. "
        "Strategies are timed at check level 0.\n"
        "- Warm: the replay runs again in the same heap. Cold: the first pass of a fresh "
        "process, dominated by page faults.\n"
        "- `floor` returns one address for every block: its time is the cost of the harness. "
        "`ideal` places blocks by first fit without headers, computed before the run; a "
        "strategy may take less memory, but not less than the peak of live bytes. Neither is an "
        "allocator. Strategies that do not free single blocks (",
        report_context_number(r, "minimum_effect") * 100,
        report_context_flag(r, "threads") ? "one thread for each lane" : "one thread",
        report_memory_option_of(r)->method);
    const char *comma = "";
    for (size_t i = 0; i < r->view.allocator_count; i++) {
        if (view_allocator_can(&r->view, r->view.allocators[i], "frees_blocks")) continue;
        fputs(comma, r->stream);
        table_print_code(r->form, r->view.allocators[i], r->stream);
        comma = ", ";
    }
    fputs(") are reset between passes.\n"
          "- Biases: most strategies serve one thread, in one range that is reserved beforehand; "
          "system "
          "mallocs are thread-safe, which costs time. Strategies align every block to 16 bytes; "
          "system mallocs may align small blocks to 8. Replays repeat exactly and only allocate, "
          "which favours allocators with small tables. What a program does between its calls, and "
          "what a poor layout costs it there, is not measured.\n"
          "- Debian's Google Benchmark calls itself a debug build. Only its loop around the passes "
          "is in that library; each pass reads the clock itself.\n",
          r->stream);
}

// ---- Engines ------------------------------------------------------------------------------------

// Returns a number of the first cell that has it: of the engine itself.
static double report_engine_number(const report *r, const char *key) {
    for (size_t i = 0; i < r->view.allocator_count; i++)
        for (size_t w = 0; w < r->view.workload_count; w++) {
            double number = view_number(
                view_cell(&r->view, r->view.allocators[i], r->view.workloads[w], "cold"), key);
            if (!isnan(number)) return number;
        }
    return NAN;
}

// Prints what only engines for WebAssembly have.
static void report_print_modules(const report *r) {
    const char *headers[] = {"allocator", "bytes", "reached"};
    if (!r->view.workload_count) return;
    report_line(r, HEADING, "Size of the module with allocate, resize and free, -Oz");
    table *t = table_new(3, headers);
    for (size_t i = 0; i < r->view.allocator_count; i++) {
        const char *name = r->rows[i];
        const json_t *cell = view_cell(&r->view, name, r->view.workloads[0], "cold");
        double bytes = view_number(cell, "module_bytes");
        const char *reached = json_string_value(json_object_get(cell, "reached"));
        if (isnan(bytes)) continue;
        size_t row = table_row(t);
        table_set(t, row, 0, "%s", name);
        table_set(t, row, 1, "%.0f", bytes);
        table_set(t, row, 2, "%s", reached ? reached : "");
    }
    table_print(t, r->form, r->stream);
    table_free(t);
    report_line(r, HEADING, "Calls of memory.grow in the first pass");
    report_print_numbers(r, "cold", "memory_grows", 1, 0);
    report_line(r, PARAGRAPH,
                "One memory.grow takes about %.0f ns (%.0f ns a step of the clock); it is in the "
                "times above.",
                report_engine_number(r, "memory_grow_ns"),
                report_engine_number(r, "clock_step_ns"));
}

// Prints the sections of one engine, or of all results if there are no engines.
static void report_print_sections(report *r) {
    bool all = r->form == TABLE_MARKDOWN;
    report_print_shortfall(r);
    if (report_context_flag(r, "threads"))
        report_line(r, HEADING, "Threads: one for each lane of a workload, concurrently");
    report_print_memory_option(r);
    report_print_failures(r);
    report_print_short(r);
    report_print_losses(r);
    report_line(r, HEADING, "Warm: speed relative to %s (above 1 is faster), slowest first",
                r->view.baseline);
    report_print_ratios(r, "warm");
    report_line(r, HEADING, "Cold: the same in the first pass of a fresh process");
    report_print_ratios(r, "cold");
    report_line(r, HEADING, "Geometric means, and %s",
                report_is_native(r) ? "peak resident memory in the cold pass"
                                    : "linear memory after the cold pass");
    report_print_means(r);
    report_print_threads(r);
    if (all) {
        report_line(r, HEADING, "Warm: ns per operation");
        report_print_numbers(r, "warm", "ns_per_op", 1, 2);
        report_line(r, HEADING, "Cold: ns per operation");
        report_print_numbers(r, "cold", "ns_per_op", 1, 1);
    }
    if (all && report_is_native(r)) {
        report_line(r, HEADING, "Peak resident memory in the cold pass, without the harness, KiB");
        report_print_numbers(r, "cold", "peak_rss_bytes", 1024, 0);
    }
    report_line(r, HEADING, "Linear memory after the cold pass, in pages of 64 KiB");
    report_print_numbers(r, "cold", "peak_heap_bytes", 65536, 0);
    if (all && report_is_native(r)) {
        report_line(r, HEADING, "Page faults in the cold pass");
        report_print_numbers(r, "cold", "page_faults", 1, 0);
    }
    if (strcmp(report_memory_option_of(r)->name, "huge") == 0) {
        report_line(r, HEADING, "Huge pages of 2 MiB after the cold pass, of the whole process");
        report_print_numbers(r, "cold", "huge_bytes", 2 << 20, 0);
    }
    if (!report_is_native(r)) report_print_modules(r);
    report_print_controls(r);
    if (all) {
        report_print_method(r);
        report_print_environment(r);
    }
}

// Opens the results of one engine, or all if `context` is that of the results. Returns false if
// they do not have the form of results.json.
static bool report_open(report *r, const json_t *results, const json_t *context, table_form form,
                        FILE *stream) {
    *r = (report){.form = form, .stream = stream};
    if (results_view_open_engine(&r->view, results, context)) return false;
    r->rows = calloc(r->view.allocator_count + 1, sizeof *r->rows);
    if (!r->rows) abort();
    report_sort_rows(r);
    return true;
}

static void report_close(report *r) {
    free(r->rows);
    results_view_close(&r->view);
}

// Returns the geometric mean over all workloads of an allocator's warm ns per operation, or NaN.
static double report_mean_ns(const report *r, const char *allocator) {
    double sum = 0;
    for (size_t w = 0; w < r->view.workload_count; w++)
        sum += log(
            view_number(view_cell(&r->view, allocator, r->view.workloads[w], "warm"), "ns_per_op"));
    return exp(sum / (double)r->view.workload_count);
}

// Prints a table with a column for each engine: ns per operation, or, if `native` is not NULL, the
// speed relative to `native`. A row for each allocator of any engine.
static void report_print_across(const report *engines, size_t count, const report *native) {
    const char **headers = calloc(count + 1, sizeof *headers);
    if (!headers) abort();
    headers[0] = "allocator";
    for (size_t e = 0; e < count; e++)
        headers[e + 1] = engines[e].view.engine;
    table *t = table_new(count + 1, headers);
    free(headers);
    for (size_t e = 0; e < count; e++)
        for (size_t i = 0; i < engines[e].view.allocator_count; i++) {
            const char *name = engines[e].rows[i];
            bool printed = native && isnan(report_mean_ns(native, name));
            for (size_t before = 0; before < e; before++)
                printed |= *view_allocator_text(&engines[before].view, name, "name") != '\0';
            if (printed) continue;
            size_t row = table_row(t);
            table_set(t, row, 0, "%s", name);
            for (size_t column = 0; column < count; column++) {
                double ns = report_mean_ns(&engines[column], name);
                double value = native ? report_mean_ns(native, name) / ns : ns;
                table_set(t, row, column + 1, isnan(value) ? "-" : "%.2f", value);
            }
        }
    table_print(t, engines->form, engines->stream);
    table_free(t);
}

static void report_print_engines(const report *engines, size_t count) {
    const report *native = NULL;
    for (size_t e = 0; e < count; e++)
        if (report_is_native(&engines[e])) native = &engines[e];
    report_line(engines, HEADING, "All engines, warm: ns per operation, geometric mean");
    report_print_across(engines, count, NULL);
    if (!native) return;
    report_line(engines, HEADING,
                "All engines, warm: speed relative to the same allocator in `native`");
    report_print_across(engines, count, native);
}

bool report_print(const json_t *results, table_form form, FILE *stream) {
    const json_t *context = json_object_get(results, "context");
    const json_t *list = json_object_get(context, "engines");
    size_t count = json_array_size(list), wanted = count ? count : 1, opened = 0;
    report *reports = calloc(wanted, sizeof *reports);
    if (!reports) abort();
    while (opened < wanted &&
           report_open(&reports[opened], results, count ? json_array_get(list, opened) : context,
                       form, stream))
        opened++;
    bool opens = opened == wanted;
    if (opens && form == TABLE_MARKDOWN) {
        fputs("# Allocators compared on recorded workloads\n\n", stream);
        table_print_code(form, report_context_text(&reports[0], "command"), stream);
        fputc('\n', stream);
    }
    for (size_t e = 0; opens && e < opened; e++) {
        if (count)
            report_line(&reports[e], HEADING, "Engine %s: %s, %s", reports[e].view.engine,
                        report_context_text(&reports[e], "engine_version"),
                        report_context_text(&reports[e], "tier"));
        report_print_sections(&reports[e]);
    }
    if (opens && count > 1) report_print_engines(reports, count);
    for (size_t e = 0; e < opened; e++)
        report_close(&reports[e]);
    free(reports);
    return opens;
}
