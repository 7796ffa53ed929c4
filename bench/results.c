#include "bench/results.h"

#include "bench/machine.h"
#include "bench/statistics.h"
#include "cli/json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

// The median over the blocks, as a whole number; null where there is none.
static json_t *median_count(const double *values, size_t count) {
    double median = estimate_median(values, count).median;
    return isnan(median) ? json_null() : json_integer((json_int_t)median);
}

static json_t *samples(const double *values, size_t count) {
    json_t *array = json_array();
    for (size_t i = 0; i < count; i++)
        json_add(array, json_number(values[i]));
    return array;
}

static json_t *whole(uint64_t number) {
    return json_integer((json_int_t)number);
}

static bool in_linear_memory(const contestant *who) {
    return !who->system_malloc;
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
    const struct workload *what = &c->workloads[workload];
    json_t *times =
        json_fields("median", json_number(ns.median), "low", json_number(ns.low), "high",
                    json_number(ns.high), "samples", samples(values, c->blocks), NULL);
    return json_fields(
        "allocator", json_text(who->name), "workload", json_text(what->name),               //
        "engine", json_text("native"), "pass", json_text(play_pass_names[pass]),            //
        "threads", json_integer(threads_of(c, workload)),                                   //
        "memory_options", json_text(memory_option_names[c->commit]),                        //
        "sized_free", json_false(), "check_level", json_integer(0),                         //
        "status", json_text(cell->status), "ns_per_op", times,                              //
        "too_short", json_boolean(ok && cell->too_short[pass]),                             //
        "peak_rss_bytes", ok ? median_count(cell->peak_rss_bytes, c->blocks) : json_null(), //
        "peak_heap_bytes", heap, "peak_live_bytes", whole(what->summary.peak_live_bytes),   //
        "page_faults", ok ? median_count(cell->page_faults, c->blocks) : json_null(),       //
        "huge_bytes", ok ? median_count(cell->huge_bytes, c->blocks) : json_null(), NULL);
}

static json_t *ratio_json(const comparison *c, size_t a, size_t b, const char *workload,
                          int threads, play_pass pass, const estimate *ratio, size_t workloads,
                          bool too_short) {
    verdict verdict = too_short ? VERDICT_UNCLEAR : verdict_of(ratio, c->minimum_effect);
    return json_fields(
        "a", json_text(c->contestants[a].name), "b", json_text(c->contestants[b].name), //
        "workload", json_text(workload), "engine", json_text("native"),                 //
        "pass", json_text(play_pass_names[pass]), "threads", json_integer(threads),     //
        "memory_options", json_text(memory_option_names[c->commit]),                    //
        "sized_free", json_false(), "ratio", json_number(ratio->median),                //
        "low", json_number(ratio->low), "high", json_number(ratio->high),               //
        "verdict", json_text(verdict_name(verdict)), "blocks", whole(ratio->count),     //
        "too_short", json_boolean(too_short), "workloads", whole(workloads), NULL);
}

// One pair on one pass: a row for each workload, and one for all.
static void compare_pair(json_t *rows, const comparison *c, size_t a, size_t b, play_pass pass) {
    const double *times_a[c->workload_count], *times_b[c->workload_count];
    int threads = 1; // the most
    bool any_short = false;
    for (size_t w = 0; w < c->workload_count; w++) {
        times_a[w] = comparison_cell(c, a, w)->ns_per_op[pass];
        times_b[w] = comparison_cell(c, b, w)->ns_per_op[pass];
        if (threads_of(c, w) > threads) threads = threads_of(c, w);
        estimate ratio = estimate_ratio(times_a[w], times_b[w], c->blocks);
        bool too_short =
            comparison_cell(c, a, w)->too_short[pass] || comparison_cell(c, b, w)->too_short[pass];
        any_short |= too_short;
        json_add(rows, ratio_json(c, a, b, c->workloads[w].name, threads_of(c, w), pass, &ratio, 1,
                                  too_short));
    }
    size_t used;
    estimate mean = estimate_geometric_mean(times_a, times_b, c->workload_count, c->blocks, &used);
    json_add(rows, ratio_json(c, a, b, WORKLOADS_MEAN, threads, pass, &mean, used, any_short));
}

static json_t *contestant_json(const comparison *c, size_t index) {
    const contestant *who = &c->contestants[index];
    const char *proof = "";
    for (size_t w = 0; w < c->workload_count && !*proof; w++)
        proof = comparison_cell(c, index, w)->proof;
    const char *kind = who->system_malloc ? "host" : who->yardstick ? "yardstick" : "strategy";
    return json_fields("name", json_text(who->name), "allocator", json_text(who->allocator), //
                       "kind", json_text(kind), "handicap", json_number(who->handicap),      //
                       "frees_blocks", json_boolean(contestant_frees(who)),                  //
                       "shares_threads", json_boolean(who->shares_threads),                  //
                       "answered_by", json_text(proof), "environment",
                       json_text(comparison_setting(who, c->commit)), NULL);
}

static json_t *workload_json(const workload *w) {
    char hash[17];
    snprintf(hash, sizeof hash, "%016llx", (unsigned long long)w->hash);
    const struct program *s = &w->summary;
    return json_fields("name", json_text(w->name),                                   //
                       "operations", whole(s->operations), "lanes", whole(s->lanes), //
                       "peak_live_bytes", whole(s->peak_live_bytes),                 //
                       "largest_bytes", whole(s->largest_bytes),                     //
                       "packed_bytes", whole(s->packed_bytes), "fnv1a_64", json_text(hash), NULL);
}

static json_t *context_json(const comparison *c, const char *command) {
    json_t *context = machine_context();
    json_t *contestants = json_array(), *workloads = json_array();
    for (size_t i = 0; i < c->contestant_count; i++)
        json_add(contestants, contestant_json(c, i));
    for (size_t i = 0; i < c->workload_count; i++)
        json_add(workloads, workload_json(&c->workloads[i]));
    char seed[24];
    snprintf(seed, sizeof seed, "%llu", (unsigned long long)c->seed); // as --seed takes it
    json_t *own = json_fields(
        "command", json_text(command), "profile", json_text(c->profile->name),           //
        "memory_options", json_text(memory_option_names[c->commit]),                     //
        "threads", json_boolean(c->threads),                                             //
        "baseline", json_text(c->contestants[c->baseline].name),                         //
        "blocks", whole(c->blocks), "blocks_asked", whole(c->profile->blocks),           //
        "blocks_for_verdicts", whole(estimate_blocks_needed()),                          //
        "minimum_effect", json_number(c->minimum_effect), "seed", json_text(seed),       //
        "interrupted", json_boolean(c->interrupted), "seconds", json_number(c->seconds), //
        "verify_seconds", json_number(c->verify_seconds),                                //
        "allocators", contestants, "workloads", workloads, "left_out",
        json_text(c->left_out ? c->left_out : ""), NULL);
    json_object_update_missing(context, own);
    json_decref(own);
    return context;
}

json_t *results_json(const comparison *c, const char *command) {
    json_t *cells = json_array(), *rows = json_array();
    for (size_t a = 0; a < c->contestant_count; a++)
        for (size_t w = 0; w < c->workload_count; w++)
            for (play_pass pass = 0; pass < PASSES; pass++)
                json_add(cells, cell_json(c, a, w, pass));
    for (play_pass pass = 0; pass < PASSES; pass++)
        for (size_t a = 0; a < c->contestant_count; a++)
            for (size_t b = a + 1; b < c->contestant_count; b++)
                compare_pair(rows, c, a, b, pass);
    return json_fields("format", json_text("linmem-results"), "version", json_integer(1), "context",
                       context_json(c, command), "cells", cells, "comparisons", rows, NULL);
}

size_t results_bytes_about(const comparison *c) {
    enum { CONTEXT = 4096, ENTRY = 600, CELL = 800, SAMPLE = 28, COMPARISON = 600 };
    size_t a = c->contestant_count, w = c->workload_count;
    return CONTEXT + ENTRY * (a + w) + PASSES * a * w * (CELL + SAMPLE * c->profile->blocks) +
           PASSES * a * (a - 1) / 2 * (w + 1) * COMPARISON;
}
