#include "bench/results.h"

#include "bench/machine.h"
#include "bench/statistics.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

// The workload that stands for all of them in a comparison's row.
#define GEOMETRIC_MEAN "geometric mean"

static json_t *number(double value) {
    return isnan(value) ? json_null() : json_real(value);
}

// The median over the blocks, as a whole number; null where there is none.
static json_t *median_count(const double *values, size_t count) {
    double median = estimate_median(values, count).median;
    return isnan(median) ? json_null() : json_integer((json_int_t)median);
}

static json_t *samples(const double *values, size_t count) {
    json_t *array = json_array();
    for (size_t i = 0; i < count; i++)
        json_array_append_new(array, number(values[i]));
    return array;
}

static bool in_linear_memory(const contestant *who) {
    return !who->host;
}

static int threads_of(const comparison *c, size_t workload) {
    return c->threads ? (int)c->workloads[workload].summary.lanes : 1;
}

static json_t *cell_json(const comparison *c, size_t contestant, size_t workload, play_pass pass) {
    const cell_record *cell = comparison_cell(c, contestant, workload);
    const struct contestant *who = &c->contestants[contestant];
    const double *values = cell->ns_per_op[pass];
    estimate ns = estimate_median(values, c->blocks);
    bool ok = strcmp(cell->status, "ok") == 0;
    json_t *heap =
        ok && in_linear_memory(who) ? median_count(cell->peak_heap_bytes, c->blocks) : json_null();
    return json_pack(
        "{s:s, s:s, s:s, s:s, s:i, s:s, s:b, s:i, s:s, s:{s:o, s:o, s:o, s:o}, s:o, s:o, s:I, s:o, "
        "s:o}",
        "allocator", who->name, "workload", c->workloads[workload].name,                       //
        "engine", "native", "pass", play_pass_names[pass], "threads", threads_of(c, workload), //
        "memory_options", memory_option_names[c->commit], "sized_free", 0, "check_level", 0,   //
        "status", cell->status,                                                                //
        "ns_per_op", "median", number(ns.median), "low", number(ns.low), "high", number(ns.high),
        "samples", samples(values, c->blocks), //
        "peak_rss_bytes", ok ? median_count(cell->peak_rss_bytes, c->blocks) : json_null(),
        "peak_heap_bytes", heap,                                                       //
        "peak_live_bytes", (json_int_t)c->workloads[workload].summary.peak_live_bytes, //
        "page_faults", ok ? median_count(cell->page_faults, c->blocks) : json_null(),  //
        "huge_bytes", ok ? median_count(cell->huge_bytes, c->blocks) : json_null());
}

static json_t *ratio_json(const comparison *c, size_t a, size_t b, const char *workload,
                          int threads, play_pass pass, const estimate *ratio, size_t workloads) {
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:i, s:s, s:b, s:o, s:o, s:o, s:s, s:i}", //
                     "a", c->contestants[a].name, "b", c->contestants[b].name,            //
                     "workload", workload, "engine", "native",                            //
                     "pass", play_pass_names[pass], "threads", threads,                   //
                     "memory_options", memory_option_names[c->commit], "sized_free", 0,   //
                     "ratio", number(ratio->median), "low", number(ratio->low),           //
                     "high", number(ratio->high),                                         //
                     "verdict", verdict_name(verdict_of(ratio, c->minimum_effect)),       //
                     "workloads", (int)workloads);
}

// One pair on one pass: a row for each workload, and one for all.
static void compare_pair(json_t *rows, const comparison *c, size_t a, size_t b, play_pass pass) {
    const double *times_a[c->workload_count], *times_b[c->workload_count];
    int threads = 1; // the most
    for (size_t w = 0; w < c->workload_count; w++) {
        times_a[w] = comparison_cell(c, a, w)->ns_per_op[pass];
        times_b[w] = comparison_cell(c, b, w)->ns_per_op[pass];
        if (threads_of(c, w) > threads) threads = threads_of(c, w);
        estimate ratio = estimate_ratio(times_a[w], times_b[w], c->blocks);
        json_array_append_new(
            rows, ratio_json(c, a, b, c->workloads[w].name, threads_of(c, w), pass, &ratio, 1));
    }
    size_t used;
    estimate mean = estimate_geometric_mean(times_a, times_b, c->workload_count, c->blocks, &used);
    json_array_append_new(rows, ratio_json(c, a, b, GEOMETRIC_MEAN, threads, pass, &mean, used));
}

static json_t *contestant_json(const comparison *c, size_t index) {
    const contestant *who = &c->contestants[index];
    const char *proof = "";
    for (size_t w = 0; w < c->workload_count && !*proof; w++)
        proof = comparison_cell(c, index, w)->proof;
    const char *kind = who->host ? "host" : who->yardstick ? "yardstick" : "strategy";
    json_t *single_frees = json_boolean(contestant_frees(who));
    return json_pack("{s:s, s:s, s:s, s:f, s:o, s:b, s:s, s:s}", "name", who->name, "allocator",
                     who->allocator, "kind", kind, "handicap", who->handicap, "frees_blocks",
                     single_frees, "shares_threads", (int)who->shares_threads, "answered_by", proof,
                     "environment", comparison_setting(who, c->commit));
}

static json_t *workload_json(const workload *w) {
    char hash[17];
    snprintf(hash, sizeof hash, "%016llx", (unsigned long long)w->hash);
    const struct program *s = &w->summary;
    return json_pack("{s:s, s:I, s:i, s:I, s:I, s:I, s:s}", "name", w->name, "operations",
                     (json_int_t)s->operations, "lanes", (int)s->lanes, "peak_live_bytes",
                     (json_int_t)s->peak_live_bytes, "largest_bytes", (json_int_t)s->largest_bytes,
                     "packed_bytes", (json_int_t)s->packed_bytes, "fnv1a_64", hash);
}

static json_t *context_json(const comparison *c, const char *command) {
    json_t *context = machine_context();
    json_t *contestants = json_array(), *workloads = json_array();
    for (size_t i = 0; i < c->contestant_count; i++)
        json_array_append_new(contestants, contestant_json(c, i));
    for (size_t i = 0; i < c->workload_count; i++)
        json_array_append_new(workloads, workload_json(&c->workloads[i]));
    char seed[24];
    snprintf(seed, sizeof seed, "%llu", (unsigned long long)c->seed); // as --seed takes it
    json_t *own = json_pack("{s:s, s:s, s:s, s:b, s:s, s:I, s:f, s:s, s:b, s:f, s:f, s:o, s:o}", //
                            "command", command, "profile", c->profile->name,                     //
                            "memory_options", memory_option_names[c->commit],                    //
                            "threads", (int)c->threads,                                          //
                            "baseline", c->contestants[c->baseline].name,                        //
                            "blocks", (json_int_t)c->blocks,                                     //
                            "minimum_effect", c->minimum_effect, "seed", seed,                   //
                            "interrupted", (int)c->interrupted, "seconds", c->seconds,           //
                            "verify_seconds", c->verify_seconds,                                 //
                            "allocators", contestants, "workloads", workloads);
    json_object_set_new(own, "left_out", json_string(c->left_out ? c->left_out : ""));
    json_object_update_missing(context, own);
    json_decref(own);
    return context;
}

json_t *results_json(const comparison *c, const char *command) {
    json_t *cells = json_array(), *rows = json_array();
    for (size_t a = 0; a < c->contestant_count; a++)
        for (size_t w = 0; w < c->workload_count; w++)
            for (play_pass pass = 0; pass < PASSES; pass++)
                json_array_append_new(cells, cell_json(c, a, w, pass));
    for (play_pass pass = 0; pass < PASSES; pass++)
        for (size_t a = 0; a < c->contestant_count; a++)
            for (size_t b = a + 1; b < c->contestant_count; b++)
                compare_pair(rows, c, a, b, pass);
    return json_pack("{s:s, s:i, s:o, s:o, s:o}", "format", "linmem-results", "version", 1,
                     "context", context_json(c, command), "cells", cells, "comparisons", rows);
}
