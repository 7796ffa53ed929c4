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

__attribute__((format(printf, 2, 3))) static void heading(const report *r, const char *format,
                                                          ...) {
    char *text;
    va_list arguments;
    va_start(arguments, format);
    if (vasprintf(&text, format, arguments) < 0) abort();
    va_end(arguments);
    bool markdown = r->form == TABLE_MARKDOWN;
    fputs(markdown ? "\n## " : "\n", r->stream);
    table_print_text(r->form, text, r->stream);
    fputs(markdown ? "\n\n" : "\n", r->stream);
    free(text);
}

static const char *bullet(const report *r) {
    return r->form == TABLE_MARKDOWN ? "- " : "  ";
}

// A text that is not the report's own.
static void put(const report *r, const char *text) {
    table_print_text(r->form, text, r->stream);
}

// A mean over fewer workloads than the others' is not comparable with theirs: there is none then.
static view_ratio mean_ratio(const report *r, const char *allocator, const char *pass) {
    for (size_t w = 0; w < r->view.workload_count; w++)
        if (!view_ok(view_cell(&r->view, allocator, r->view.workloads[w], pass)))
            return view_no_ratio;
    if (strcmp(allocator, r->view.baseline) == 0) return (view_ratio){1, 1, 1, "same", true, false};
    return view_compare(&r->view, allocator, r->view.baseline, VIEW_GEOMETRIC_MEAN, pass);
}

// Slowest first on the warm passes; what has no mean comes before all.
static void sort_rows(report *r) {
    double *keys = calloc(r->view.allocator_count + 1, sizeof *keys);
    if (!keys) abort();
    for (size_t i = 0; i < r->view.allocator_count; i++) {
        const char *name = r->view.allocators[i];
        double ratio = mean_ratio(r, name, "warm").ratio, key = isnan(ratio) ? -1 : ratio;
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

static bool is_kind(const report *r, const char *allocator, const char *kind) {
    return strcmp(view_allocator_text(&r->view, allocator, "kind"), kind) == 0;
}

// ---- Tables: a row for each allocator, a column for each workload -------------------------------

static table *workload_table(const report *r, const char *corner, const char *last) {
    const char **headers = calloc(r->view.workload_count + 2, sizeof *headers);
    if (!headers) abort();
    headers[0] = corner;
    memcpy(headers + 1, r->view.workloads, r->view.workload_count * sizeof *headers);
    headers[r->view.workload_count + 1] = last;
    table *t = table_new(r->view.workload_count + 1 + (last != NULL), headers);
    free(headers);
    return t;
}

// Without blocks enough for a verdict there is no mark.
static const char *mark_of(const view_ratio *ratio) {
    if (!ratio->bounded) return " ";
    if (strcmp(ratio->verdict, "faster") == 0) return "+";
    if (strcmp(ratio->verdict, "slower") == 0) return "-";
    return strcmp(ratio->verdict, "same") == 0 ? "=" : "?";
}

// Two decimals, or as many as a small ratio needs.
static int decimals(double ratio) {
    return ratio < 0.01 ? 4 : ratio < 0.1 ? 3 : 2;
}

static void set_ratio(table *t, size_t row, size_t column, const view_ratio *ratio) {
    if (isnan(ratio->ratio))
        table_set(t, row, column, "fail");
    else if (ratio->too_short)
        table_set(t, row, column, "short");
    else
        table_set(t, row, column, "%.*f%s", decimals(ratio->ratio), ratio->ratio, mark_of(ratio));
}

static void print_ratios(const report *r, const char *pass) {
    table *t = workload_table(r, "allocator", "mean");
    for (size_t i = 0; i < r->view.allocator_count; i++) {
        const char *name = r->rows[i];
        size_t row = table_row(t);
        bool baseline = strcmp(name, r->view.baseline) == 0;
        table_set(t, row, 0, "%s", name);
        for (size_t w = 0; w <= r->view.workload_count; w++) {
            view_ratio ratio =
                w == r->view.workload_count
                    ? mean_ratio(r, name, pass)
                    : view_compare(&r->view, name, r->view.baseline, r->view.workloads[w], pass);
            if (baseline)
                table_set(t, row, w + 1, "1 ");
            else
                set_ratio(t, row, w + 1, &ratio);
        }
    }
    table_print(t, r->form, r->stream);
    table_free(t);
}

// Whether an allocator has such a number anywhere, or failed, which is to be seen.
static bool has_numbers(const report *r, const char *name, const char *pass, const char *key) {
    for (size_t w = 0; w < r->view.workload_count; w++) {
        const json_t *cell = view_cell(&r->view, name, r->view.workloads[w], pass);
        if (!isnan(view_number(cell, key)) || !view_ok(cell)) return true;
    }
    return false;
}

// A number of each cell of a pass, divided by `unit`. Hosts have no linear memory, so no row there.
static void print_numbers(const report *r, const char *pass, const char *key, double unit,
                          int decimals) {
    table *t = workload_table(r, "allocator", NULL);
    for (size_t i = 0; i < r->view.allocator_count; i++) {
        if (!has_numbers(r, r->rows[i], pass, key)) continue;
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

// Whether there are blocks enough for verdicts at all. Older results don't say how many are needed.
static bool has_verdicts(const report *r) {
    return r->view.blocks >= r->view.blocks_needed;
}

// What a strategy lost in a pass against the baseline, a line. Returns on how many workloads.
static size_t print_losses_of(const report *r, const char *name, const char *pass) {
    size_t losses = 0;
    for (size_t w = 0; w < r->view.workload_count; w++) {
        const char *workload = r->view.workloads[w];
        view_ratio ratio = view_compare(&r->view, name, r->view.baseline, workload, pass);
        if (strcmp(ratio.verdict, "slower") != 0) continue;
        if (losses++ == 0) {
            size_t columns = text_columns(name);
            fputs(bullet(r), r->stream);
            put(r, name);
            fprintf(r->stream, "%*s %s:", columns < 9 ? (int)(9 - columns) : 0, "", pass);
        } else if (losses % 4 == 1 && r->form == TABLE_TERMINAL) {
            fprintf(r->stream, "\n%*s", 17, "");
        }
        fputc(' ', r->stream);
        put(r, workload);
        fprintf(r->stream, " %.*f", decimals(ratio.ratio), ratio.ratio);
    }
    if (losses) fputc('\n', r->stream);
    return losses;
}

// Where strategies lose against the baseline, before anything else.
static void print_losses(const report *r) {
    if (!has_verdicts(r)) return;
    heading(r, "Losses: where a strategy is slower than %s", r->view.baseline);
    size_t losses = 0;
    for (size_t i = 0; i < r->view.allocator_count; i++) {
        if (!is_kind(r, r->rows[i], "strategy")) continue;
        losses += print_losses_of(r, r->rows[i], "warm");
        losses += print_losses_of(r, r->rows[i], "cold");
    }
    if (!losses) fprintf(r->stream, "  none\n");
}

static const char *context_text(const report *r, const char *key) {
    const char *value = json_string_value(json_object_get(r->view.context, key));
    return value ? value : "unknown";
}

// The memory options, as results.json names them. Results without one are older than the choice.
static const struct memory_option {
    const char *name, *title, *asked, *pages;
} memory_options[] = {
    {"4k", NULL, NULL, "on 4 KiB pages, and nothing is prefaulted"},
    {"2m", "Memory: 2m, present in steps of 2 MiB (the headline: 4k, page by page)",
     "linear memory grows by 2 MiB at once",
     "on 4 KiB pages; linear memory is prefaulted by 2 MiB at a time as it grows, inside of the "
     "pass (`ideal`'s and `floor`'s before it), a host's not at all"},
    {"huge", "Memory: huge pages where the system gives them (the headline: 4k)",
     "linear memory asks for huge pages",
     "on transparent huge pages where they were asked for and given, and nothing is prefaulted"},
};

static const struct memory_option *memory_option_of(const report *r) {
    const char *name = context_text(r, "memory_options");
    for (size_t i = 1; i < sizeof memory_options / sizeof *memory_options; i++)
        if (strcmp(name, memory_options[i].name) == 0) return &memory_options[i];
    return &memory_options[0];
}

// Another memory than the headline's is said before all, and who got what.
static void print_memory_option(const report *r) {
    const struct memory_option *option = memory_option_of(r);
    if (!option->title) return;
    heading(r, "%s", option->title);
    fprintf(r->stream, "%s%s\n", bullet(r), option->asked);
    for (size_t i = 0; i < r->view.allocator_count; i++) {
        const char *name = r->view.allocators[i];
        const char *setting = view_allocator_text(&r->view, name, "environment");
        if (!is_kind(r, name, "host")) continue;
        fputs(bullet(r), r->stream);
        put(r, name);
        fputs(": ", r->stream);
        put(r, *setting ? setting : "has no setting for it");
        fputc('\n', r->stream);
    }
}

// What was asked for and is not here: said before all figures.
static void print_shortfall(const report *r) {
    const json_t *context = r->view.context;
    long long blocks = r->view.blocks, needed = r->view.blocks_needed;
    long long asked = json_integer_value(json_object_get(context, "blocks_asked"));
    if (json_is_true(json_object_get(context, "interrupted")) && blocks == 0)
        heading(r, "Interrupted before the first block: nothing was measured");
    else if (json_is_true(json_object_get(context, "interrupted")))
        heading(r, "Interrupted in block %lld of %lld", blocks, asked);
    if (has_verdicts(r)) return;
    heading(r, "%lld block%s: no verdicts (%lld needed)", blocks, blocks == 1 ? "" : "s", needed);
    fprintf(r->stream,
            "%sRatios are medians, beside the whole range. What differs may be chance.\n"
            "%s'--blocks %lld' or '--profile standard' measures enough.\n",
            bullet(r), bullet(r), needed);
}

static void print_failures(const report *r) {
    bool any = false;
    for (size_t i = 0; i < r->view.allocator_count; i++)
        for (size_t w = 0; w < r->view.workload_count; w++) {
            const json_t *cell =
                view_cell(&r->view, r->view.allocators[i], r->view.workloads[w], "warm");
            if (view_ok(cell)) continue;
            if (!any) heading(r, "Failed: these cells have no time");
            any = true;
            const char *status = json_string_value(json_object_get(cell, "status"));
            fputs(bullet(r), r->stream);
            put(r, r->view.allocators[i]);
            fputs(" on ", r->stream);
            put(r, r->view.workloads[w]);
            fputs(": ", r->stream);
            put(r, status ? status : "not measured");
            fputc('\n', r->stream);
        }
}

// Passes that the clock cannot resolve: a line for each workload and pass, with the allocators.
static void print_short(const report *r) {
    static const char *const passes[] = {"warm", "cold"};
    bool any = false;
    for (size_t w = 0; w < 2 * r->view.workload_count; w++) {
        const char *workload = r->view.workloads[w / 2], *comma = ": ";
        for (size_t i = 0; i < r->view.allocator_count; i++) {
            const char *name = r->view.allocators[i];
            if (!view_too_short(view_cell(&r->view, name, workload, passes[w % 2]))) continue;
            if (!any) heading(r, "Too short to tell: passes of under 1,000 steps of the clock");
            any = true;
            if (*comma == ':') {
                fprintf(r->stream, "%s%s, ", bullet(r), passes[w % 2]);
                put(r, workload);
            }
            fputs(comma, r->stream);
            put(r, name);
            comma = ", ";
        }
        if (*comma == ',') fputc('\n', r->stream);
    }
}

static void print_means(const report *r) {
    char *base = text_format("warm, x %s", r->view.baseline);
    char *memory = text_format("memory, x %s", r->view.baseline);
    const char *interval = has_verdicts(r) ? "95 %" : "range";
    const char *headers[] = {"allocator", base, interval, "cold", interval, memory};
    table *t = table_new(6, headers);
    free(base);
    free(memory);
    for (size_t i = 0; i < r->view.allocator_count; i++) {
        const char *name = r->rows[i];
        size_t row = table_row(t);
        table_set(t, row, 0, "%s", name);
        for (size_t p = 0; p < 2; p++) {
            view_ratio ratio = mean_ratio(r, name, p ? "cold" : "warm");
            if (strcmp(name, r->view.baseline) == 0) {
                table_set(t, row, 1 + 2 * p, isnan(ratio.ratio) ? "fail" : "1 ");
                continue;
            }
            set_ratio(t, row, 1 + 2 * p, &ratio);
            if (isnan(ratio.ratio) || ratio.too_short) continue;
            table_set(t, row, 2 + 2 * p, "%s%.3f-%.3f",
                      has_verdicts(r) && !ratio.bounded ? "range " : "", ratio.low, ratio.high);
        }
        double mean = view_mean_of(&r->view, name, r->view.baseline, "peak_rss_bytes");
        if (isfinite(mean)) table_set(t, row, 5, "%.2f", mean);
    }
    table_print(t, r->form, r->stream);
    table_free(t);
}

// Who may be called by several threads: the others are spared what that costs.
static void print_threads(const report *r) {
    const char *comma =
        r->form == TABLE_MARKDOWN ? "\nSeveral threads may call " : "Several threads may call ";
    size_t others = 0;
    for (size_t i = 0; i < r->view.allocator_count; i++) {
        const char *name = r->view.allocators[i];
        if (is_kind(r, name, "yardstick") || strpbrk(name, "#+")) continue;
        if (view_allocator_can(&r->view, name, "shares_threads")) {
            fputs(comma, r->stream);
            put(r, name);
            comma = ", ";
        } else {
            others++;
        }
    }
    if (*comma == ',')
        fprintf(r->stream, others ? ";\nthe other strategies serve one thread.\n" : ".\n");
}

static void print_control(const report *r, const char *a, const char *b, size_t wrong,
                          size_t cells) {
    if (cells == 0 || !has_verdicts(r)) return; // nothing could have been told apart
    fputs("\nControl: ", r->stream);
    put(r, a);
    fputs(" against itself (", r->stream);
    put(r, b);
    fprintf(r->stream,
            ") gave %zu false verdicts in %zu cells;\n"
            "95 %% intervals give up to 5 in 100.\n",
            wrong, cells);
}

// Whether the same allocator under two names was told apart: every such verdict is a false one.
static void print_controls(const report *r) {
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
            print_control(r, a, b, wrong, cells);
        }
}

static void print_context(const report *r) {
    heading(r, "Measured on");
    const char *const keys[] = {"date",
                                "commit",
                                "processor",
                                "kernel",
                                "governor",
                                "transparent_huge_pages",
                                "address_space_randomised",
                                "cgroup_memory_max",
                                "compiler",
                                "flags",
                                "google_benchmark",
                                "command",
                                "profile",
                                "memory_options",
                                "seed"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        fprintf(r->stream, "- %s: ", keys[i]);
        bool command = strcmp(keys[i], "command") == 0;
        (command ? table_print_code : table_print_text)(r->form, context_text(r, keys[i]),
                                                        r->stream);
        fputc('\n', r->stream);
    }
    fprintf(r->stream, "- blocks: %lld, in %.0f s (%.0f s of them verifying)\n",
            json_integer_value(json_object_get(r->view.context, "blocks")),
            json_number_value(json_object_get(r->view.context, "seconds")),
            json_number_value(json_object_get(r->view.context, "verify_seconds")));
    const char *left_out = json_string_value(json_object_get(r->view.context, "left_out"));
    if (left_out && *left_out) {
        fputs("- left out, as the system had no library of it: ", r->stream);
        put(r, left_out);
        fputc('\n', r->stream);
    }
    for (size_t i = 0; i < r->view.allocator_count; i++) {
        const char *proof = view_allocator_text(&r->view, r->view.allocators[i], "answered_by");
        if (!*proof) continue;
        fputs(bullet(r), r->stream);
        put(r, r->view.allocators[i]);
        fputs(" was answered by ", r->stream);
        put(r, proof);
        fputc('\n', r->stream);
    }
}

static void print_method(const report *r) {
    double effect = json_number_value(json_object_get(r->view.context, "minimum_effect"));
    heading(r, "How to read this, and what it favours");
    fputs("- A ratio is ", r->stream);
    put(r, r->view.baseline);
    fprintf(
        r->stream,
        "'s time divided by the allocator's: above 1 is faster. It is the "
        "median over blocks, each of which played every allocator once, in random order, in "
        "a fresh process. `+` faster and `-` slower: the 95 %% interval (sign test) lies on "
        "one side of 1; `=` same: it lies within %.0f %%; `?`: unclear. Fewer than 6 blocks have "
        "no such interval, and no mark. A pass of less than 1,000 steps of the clock is too "
        "short to be timed. Short warm passes are repeated until they are long enough, if the "
        "replay frees every block.\n"
        "- Everyone is called through one table of function pointers (the system's own malloc "
        "stands in it, without a wrapper), by one thread, frees without a size, %s. Blocks "
        "are touched once in every 4 KiB.\n"
        "- Before it was timed each cell was played once verified: content, alignment and "
        "bounds of every block, and of a strategy (at check level 2) a walk over the heap "
        "every 4,096 calls. The times are of check level 0.\n"
        "- warm: the same program played again in the same heap. cold: the first pass of a "
        "fresh process, dominated by page faults.\n"
        "- `floor` hands out one address: it is what the harness costs. `ideal` places "
        "blocks where a first fit without headers would, computed before the run; a strategy "
        "may take less memory, but no less than the peak of live bytes. Neither "
        "is an allocator. Strategies without single frees (",
        effect * 100, memory_option_of(r)->pages);
    const char *comma = "";
    for (size_t i = 0; i < r->view.allocator_count; i++)
        if (!view_allocator_can(&r->view, r->view.allocators[i], "frees_blocks")) {
            fputs(comma, r->stream);
            table_print_code(r->form, r->view.allocators[i], r->stream);
            comma = ", ";
        }
    fprintf(r->stream,
            ") are reset between passes: they are bounds as well.\n"
            "- Bias: strategies serve one thread, over one range that is reserved beforehand; "
            "system mallocs are ready for threads and are charged for it; strategies align every "
            "block to 16 bytes, hosts may align small ones to 8. Replays repeat exactly and do "
            "nothing but allocate, which flatters whoever has the smallest tables. What "
            "programs do between the calls, and what they lose to a bad layout there, is not "
            "seen.\n"
            "- Debian's Google Benchmark calls itself a debug build; only its loop around whole "
            "passes is in the library, and a pass takes its own time.\n");
}

bool report_print(const json_t *results, table_form form, FILE *stream) {
    report r = {.form = form, .stream = stream};
    if (results_view_open(&r.view, results)) return false;
    r.rows = calloc(r.view.allocator_count + 1, sizeof *r.rows);
    if (!r.rows) abort();
    sort_rows(&r);
    bool all = form == TABLE_MARKDOWN;
    if (all) {
        fputs("# Allocators compared on recorded workloads\n\n", stream);
        table_print_code(form, context_text(&r, "command"), stream);
        fputc('\n', stream);
    }
    print_shortfall(&r);
    if (json_is_true(json_object_get(r.view.context, "threads")))
        heading(&r, "Threads: one for each lane of a workload, all at once");
    print_memory_option(&r);
    print_failures(&r);
    print_short(&r);
    print_losses(&r);
    heading(&r, "Warm: speed relative to %s (above 1 is faster), slowest first", r.view.baseline);
    print_ratios(&r, "warm");
    heading(&r, "Cold: the same for the first pass of a fresh process");
    print_ratios(&r, "cold");
    heading(&r, "Geometric means, and peak resident memory in the cold pass");
    print_means(&r);
    print_threads(&r);
    if (all) {
        heading(&r, "Warm: ns an operation");
        print_numbers(&r, "warm", "ns_per_op", 1, 2);
        heading(&r, "Cold: ns an operation");
        print_numbers(&r, "cold", "ns_per_op", 1, 1);
        heading(&r, "Peak resident memory above the baseline, KiB");
        print_numbers(&r, "cold", "peak_rss_bytes", 1024, 0);
    }
    heading(&r, "Linear memory, pages of 64 KiB");
    print_numbers(&r, "cold", "peak_heap_bytes", 65536, 0);
    if (all) {
        heading(&r, "Page faults in the cold pass");
        print_numbers(&r, "cold", "page_faults", 1, 0);
    }
    if (strcmp(memory_option_of(&r)->name, "huge") == 0) {
        heading(&r, "Huge pages of 2 MiB after the cold pass, of the whole process");
        print_numbers(&r, "cold", "huge_bytes", 2 << 20, 0);
    }
    print_controls(&r);
    if (all) {
        print_method(&r);
        print_context(&r);
    }
    free(r.rows);
    results_view_close(&r.view);
    return true;
}
