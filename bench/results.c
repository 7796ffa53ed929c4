#include "bench/results.h"

#include "bench/machine.h"
#include "bench/statistics.h"
#include "cli/child.h"
#include "cli/json.h"
#include "cli/text.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static json_t *results_whole(uint64_t number) {
    return json_integer((json_int_t)number);
}

// Returns the median over the blocks as a whole number, or null if the cell failed or has no value.
static json_t *results_median(const comparison *c, const cell_record *cell, metric metric) {
    double median = estimate_median(cell->by_block[metric], c->blocks).median;
    bool ok = strcmp(cell->status, "ok") == 0;
    return ok && !isnan(median) ? json_integer((json_int_t)median) : json_null();
}

static json_t *results_times(const comparison *c, const double *values) {
    json_t *samples = json_array();
    for (size_t i = 0; i < c->blocks; i++)
        json_add(samples, json_number(values[i]));
    estimate ns = estimate_median(values, c->blocks);
    return json_fields("median", json_number(ns.median), "low", json_number(ns.low), "high",
                       json_number(ns.high), "samples", samples, NULL);
}

static int results_threads(const comparison *c, size_t workload) {
    return c->threads ? (int)c->workloads[workload].summary.lanes : 1;
}

// Returns the size of the allocator's module alone, or null if there is none.
static json_t *results_module_bytes(const char *allocator) {
    char *name = text_format("wasm32/small/%s.wasm", allocator), *path = child_beside(name);
    struct stat status;
    json_t *bytes = stat(path, &status) == 0 ? json_integer(status.st_size) : json_null();
    free(path);
    free(name);
    return bytes;
}

// Adds to a cell what only engines for WebAssembly have.
static void results_add_engine_fields(json_t *fields, const comparison *c, size_t a, size_t w) {
    const cell_record *cell = comparison_cell(c, a, w);
    const candidate *candidate = &c->candidates[a];
    bool ok = strcmp(cell->status, "ok") == 0;
    bool verified = ok && candidate->holds_content;
    json_set(fields, "tier", json_text(c->engine->tier));
    json_set(fields, "module_bytes", results_module_bytes(candidate->allocator));
    json_set(fields, "reached", json_text(candidate->peer ? candidate->peer->reached : "linked"));
    json_set(fields, "clock_step_ns", results_median(c, cell, METRIC_CLOCK_STEP_NS));
    json_set(fields, "memory_grow_ns", results_median(c, cell, METRIC_MEMORY_GROW_NS));
    json_set(fields, "memory_grows", verified ? results_whole(cell->memory_grows) : json_null());
    json_set(fields, "pages", verified ? results_whole(cell->pages) : json_null());
    json_set(fields, "pages_end", results_median(c, cell, METRIC_PAGES_END));
}

static json_t *results_cell(const comparison *c, size_t a, size_t w, pass_kind pass) {
    const cell_record *cell = comparison_cell(c, a, w);
    const candidate *candidate = &c->candidates[a];
    const workload *workload = &c->workloads[w];
    bool ok = strcmp(cell->status, "ok") == 0;
    json_t *heap =
        candidate->system_malloc ? json_null() : results_median(c, cell, METRIC_PEAK_HEAP_BYTES);
    json_t *fields =
        json_fields("allocator", json_text(candidate->name), "workload",
                    json_text(workload->name),                                           //
                    "engine", json_text(c->engine->name), "pass",                        //
                    json_text(pass_names[pass]),                                         //
                    "threads", json_integer(results_threads(c, w)),                      //
                    "memory_options", json_text(memory_option_names[c->commit]),         //
                    "sized_free", json_false(), "check_level", json_integer(0),          //
                    "status", json_text(cell->status),                                   //
                    "ns_per_op", results_times(c, cell->by_block[pass]),                 //
                    "too_short", json_boolean(ok && cell->too_short[pass]),              //
                    "peak_rss_bytes", results_median(c, cell, METRIC_PEAK_RSS_BYTES),    //
                    "peak_heap_bytes", heap,                                             //
                    "peak_live_bytes", results_whole(workload->summary.peak_live_bytes), //
                    "page_faults", results_median(c, cell, METRIC_PAGE_FAULTS),          //
                    "huge_bytes", results_median(c, cell, METRIC_HUGE_BYTES), NULL);
    if (!engine_is_native(c->engine)) results_add_engine_fields(fields, c, a, w);
    return fields;
}

static json_t *results_ratio(const comparison *c, size_t a, size_t b, const char *workload,
                             int threads, pass_kind pass, const estimate *ratio, size_t workloads,
                             bool too_short) {
    verdict verdict = too_short ? VERDICT_UNCLEAR : verdict_of(ratio, c->minimum_effect);
    return json_fields(
        "a", json_text(c->candidates[a].name), "b", json_text(c->candidates[b].name), //
        "workload", json_text(workload), "engine", json_text(c->engine->name),        //
        "pass", json_text(pass_names[pass]), "threads", json_integer(threads),        //
        "memory_options", json_text(memory_option_names[c->commit]),                  //
        "sized_free", json_false(), "ratio", json_number(ratio->median),              //
        "low", json_number(ratio->low), "high", json_number(ratio->high),             //
        "verdict", json_text(verdict_name(verdict)),                                  //
        "blocks", results_whole(ratio->count), "too_short", json_boolean(too_short),  //
        "workloads", results_whole(workloads), NULL);
}

// Adds the rows of one pair in one pass: one for each workload, and their geometric mean.
static void results_add_pair(json_t *rows, const comparison *c, size_t a, size_t b,
                             pass_kind pass) {
    const double *times_a[c->workload_count], *times_b[c->workload_count];
    int threads_max = 1;
    bool any_short = false;
    for (size_t w = 0; w < c->workload_count; w++) {
        const cell_record *cell_a = comparison_cell(c, a, w), *cell_b = comparison_cell(c, b, w);
        int threads = results_threads(c, w);
        bool too_short = cell_a->too_short[pass] || cell_b->too_short[pass];
        times_a[w] = cell_a->by_block[pass];
        times_b[w] = cell_b->by_block[pass];
        if (threads > threads_max) threads_max = threads;
        any_short |= too_short;
        estimate ratio = estimate_ratio(times_a[w], times_b[w], c->blocks);
        json_add(rows,
                 results_ratio(c, a, b, c->workloads[w].name, threads, pass, &ratio, 1, too_short));
    }
    size_t used;
    estimate mean = estimate_geometric_mean(times_a, times_b, c->workload_count, c->blocks, &used);
    json_add(rows,
             results_ratio(c, a, b, WORKLOADS_MEAN, threads_max, pass, &mean, used, any_short));
}

static json_t *results_candidate(const comparison *c, size_t index) {
    const candidate *candidate = &c->candidates[index];
    const char *proof = "";
    for (size_t w = 0; w < c->workload_count && !*proof; w++)
        proof = comparison_cell(c, index, w)->proof;
    const char *kind = candidate->system_malloc ? "host"
                       : candidate->yardstick   ? "yardstick"
                       : candidate->peer        ? "wasm32 peer"
                                                : "strategy";
    return json_fields("name", json_text(candidate->name), "allocator",
                       json_text(candidate->allocator),                                       //
                       "kind", json_text(kind), "handicap", json_number(candidate->handicap), //
                       "frees_blocks", json_boolean(candidate->frees_blocks),                 //
                       "shares_threads", json_boolean(candidate->shares_threads),             //
                       "answered_by", json_text(proof),                                       //
                       "environment", json_text(candidate->setting), NULL);
}

static json_t *results_workload(const workload *w) {
    char hash[17];
    snprintf(hash, sizeof hash, "%016llx", (unsigned long long)w->hash);
    const struct replay *s = &w->summary;
    return json_fields(
        "name", json_text(w->name), "operations", results_whole(s->operations), //
        "lanes", results_whole(s->lanes), "peak_live_bytes", results_whole(s->peak_live_bytes),
        "largest_bytes", results_whole(s->largest_bytes), //
        "packed_bytes", results_whole(s->packed_bytes), "fnv1a_64", json_text(hash), NULL);
}

// Returns the part of the context that differs between comparisons.
static json_t *results_own_context(const comparison *c, const char *command) {
    json_t *candidates = json_array(), *workloads = json_array();
    for (size_t i = 0; i < c->candidate_count; i++)
        json_add(candidates, results_candidate(c, i));
    for (size_t i = 0; i < c->workload_count; i++)
        json_add(workloads, results_workload(&c->workloads[i]));
    char seed[24];
    snprintf(seed, sizeof seed, "%llu", (unsigned long long)c->seed); // as --seed takes it
    return json_fields("command", json_text(command), "profile", json_text(c->profile->name),     //
                       "memory_options", json_text(memory_option_names[c->commit]),               //
                       "threads", json_boolean(c->threads),                                       //
                       "baseline", json_text(c->candidates[c->baseline].name),                    //
                       "blocks", results_whole(c->blocks),                                        //
                       "blocks_asked", results_whole(c->profile->blocks),                         //
                       "blocks_for_verdicts", results_whole(estimate_blocks_needed()),            //
                       "minimum_effect", json_number(c->minimum_effect), "seed", json_text(seed), //
                       "interrupted", json_boolean(c->interrupted), "seconds",
                       json_number(c->seconds),                          //
                       "verify_seconds", json_number(c->verify_seconds), //
                       "allocators", candidates, "workloads", workloads, //
                       "left_out", json_text(c->left_out ? c->left_out : ""), NULL);
}

static json_t *results_context(const comparison *c, const char *command) {
    json_t *context = machine_context(), *own = results_own_context(c, command);
    json_object_update_missing(context, own);
    json_decref(own);
    return context;
}

static void results_add(json_t *cells, json_t *rows, const comparison *c) {
    for (size_t a = 0; a < c->candidate_count; a++)
        for (size_t w = 0; w < c->workload_count; w++)
            for (pass_kind pass = 0; pass < PASSES; pass++)
                json_add(cells, results_cell(c, a, w, pass));
    for (pass_kind pass = 0; pass < PASSES; pass++)
        for (size_t a = 0; a < c->candidate_count; a++)
            for (size_t b = a + 1; b < c->candidate_count; b++)
                results_add_pair(rows, c, a, b, pass);
}

// Returns the context of a comparison in its engine, with the engine's own fields first.
static json_t *results_engine(const comparison *c, const char *command, json_t *context) {
    json_t *own = results_own_context(c, command);
    json_t *version = json_object_get(c->described, "version");
    json_t *engine = json_fields("engine", json_text(c->engine->name), "engine_version",
                                 version ? json_incref(version) : json_null(), "tier",
                                 json_text(c->engine->tier), NULL);
    json_object_update_missing(engine, own);
    json_object_update_missing(engine, context); // the machine's
    json_decref(own);
    return engine;
}

json_t *results_json(const comparison *comparisons, size_t count, bool with_engines,
                     const char *command) {
    json_t *cells = json_array(), *rows = json_array(), *contexts = json_array();
    json_t *context = results_context(&comparisons[0], command);
    for (size_t i = 0; i < count; i++) {
        results_add(cells, rows, &comparisons[i]);
        if (with_engines) json_add(contexts, results_engine(&comparisons[i], command, context));
    }
    if (with_engines)
        json_set(context, "engines", contexts);
    else
        json_decref(contexts);
    return json_fields("format", json_text("linmem-results"), "version", json_integer(1), "context",
                       context, "cells", cells, "comparisons", rows, NULL);
}

size_t results_bytes_about(const comparison *c) {
    enum { CONTEXT = 4096, ENTRY = 600, CELL = 1100, SAMPLE = 28, COMPARISON = 600 };
    size_t a = c->candidate_count, w = c->workload_count;
    return CONTEXT + ENTRY * (a + w) + PASSES * a * w * (CELL + SAMPLE * c->profile->blocks) +
           PASSES * a * (a - 1) / 2 * (w + 1) * COMPARISON;
}
