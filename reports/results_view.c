#include "reports/results_view.h"

#include "cli/json.h"
#include "cli/text.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *view_text(const json_t *object, const char *key) {
    const char *value = json_string_value(json_object_get(object, key));
    return value ? value : "";
}

// Returns the "name" of each object in an array, to be freed, or NULL if the array or a name is
// missing.
static const char **view_take_names(const json_t *array, size_t *count) {
    size_t index;
    json_t *entry;
    if (!json_is_array(array)) return NULL;
    const char **names = calloc(json_array_size(array) + 1, sizeof *names);
    if (!names) abort();
    json_array_foreach(array, index, entry) {
        names[index] = json_string_value(json_object_get(entry, "name"));
        if (names[index]) continue;
        free(names);
        return NULL;
    }
    *count = json_array_size(array);
    return names;
}

// Returns the key of a cell (with b "") or of a row, to be freed.
static char *view_key_of(const char *a, const char *b, const char *workload, const char *pass) {
    return text_format("%s\x1f%s\x1f%s\x1f%s", a, b, workload, pass);
}

// Returns an object that maps keys to the objects of an array, only those of the engine unless it
// is "". A missing text counts as "".
static json_t *view_index_of(const json_t *array, const char *engine, const char *a,
                             const char *b) {
    json_t *index = json_object(), *entry;
    size_t i;
    json_array_foreach(array, i, entry) {
        if (*engine && strcmp(view_text(entry, "engine"), engine) != 0) continue;
        char *key = view_key_of(view_text(entry, a), view_text(entry, b),
                                view_text(entry, "workload"), view_text(entry, "pass"));
        if (!json_object_get(index, key)) json_set(index, key, json_incref(entry));
        free(key);
    }
    return index;
}

static json_t *view_find(const json_t *index, const char *a, const char *b, const char *workload,
                         const char *pass) {
    char *key = view_key_of(a, b, workload, pass);
    json_t *found = json_object_get(index, key);
    free(key);
    return found;
}

// Returns a number, or NaN if the field is not a number.
static double view_field(const json_t *object, const char *key) {
    const json_t *value = json_object_get(object, key);
    return json_is_number(value) ? json_number_value(value) : NAN;
}

// Returns whether low ≤ middle ≤ high, comparing those that are numbers.
static bool view_is_ordered(const json_t *object, const char *middle) {
    double low = view_field(object, "low"), at = view_field(object, middle),
           high = view_field(object, "high");
    return !(low > at) && !(at > high) && !(low > high);
}

static bool view_is_negative(const json_t *row) {
    return signbit(view_field(row, "ratio")) || signbit(view_field(row, "low")) ||
           signbit(view_field(row, "high"));
}

// Returns what is wrong with the intervals, or NULL.
static const char *view_bad_intervals(const json_t *results) {
    size_t i;
    json_t *entry;
    json_array_foreach(json_object_get(results, "cells"), i, entry) {
        if (!view_is_ordered(json_object_get(entry, "ns_per_op"), "median"))
            return "one of its cells has an interval that excludes its median";
    }
    json_array_foreach(json_object_get(results, "comparisons"), i, entry) {
        if (view_is_negative(entry)) return "one of its comparisons has a ratio below 0";
        if (!view_is_ordered(entry, "ratio"))
            return "one of its comparisons has an interval that excludes its ratio";
    }
    return NULL;
}

const char *results_view_open(results_view *view, const json_t *results) {
    return results_view_open_engine(view, results, json_object_get(results, "context"));
}

const char *results_view_open_engine(results_view *view, const json_t *results,
                                     const json_t *engine) {
    *view = (results_view){
        .results = results, .context = engine, .engine = view_text(engine, "engine")};
    view->baseline = view_text(view->context, "baseline");
    view->blocks = json_integer_value(json_object_get(view->context, "blocks"));
    view->blocks_needed = json_integer_value(json_object_get(view->context, "blocks_for_verdicts"));
    if (strcmp(view_text(results, "format"), "linmem-results") != 0)
        return "its format is not \"linmem-results\"";
    if (json_integer_value(json_object_get(results, "version")) != 1) return "its version is not 1";
    if (!json_is_array(json_object_get(results, "cells"))) return "it has no array of cells";
    if (!json_is_array(json_object_get(results, "comparisons")))
        return "it has no array of comparisons";
    const char *reason = view_bad_intervals(results);
    if (reason) return reason;
    view->allocators =
        view_take_names(json_object_get(view->context, "allocators"), &view->allocator_count);
    if (!view->allocators) return "its context names no allocators";
    view->workloads =
        view_take_names(json_object_get(view->context, "workloads"), &view->workload_count);
    if (!view->workloads) {
        free(view->allocators);
        return "its context names no workloads";
    }
    view->cells = view_index_of(json_object_get(results, "cells"), view->engine, "allocator", "");
    view->rows = view_index_of(json_object_get(results, "comparisons"), view->engine, "a", "b");
    return NULL;
}

void results_view_close(results_view *view) {
    free(view->allocators);
    free(view->workloads);
    json_decref(view->cells);
    json_decref(view->rows);
}

static bool view_has(const json_t *object, const char *key, const char *value) {
    return strcmp(view_text(object, key), value) == 0;
}

const json_t *view_cell(const results_view *view, const char *allocator, const char *workload,
                        const char *pass) {
    return view_find(view->cells, allocator, "", workload, pass);
}

double view_number(const json_t *cell, const char *key) {
    bool time = strcmp(key, "ns_per_op") == 0;
    return time ? view_field(json_object_get(cell, key), "median") : view_field(cell, key);
}

bool view_ok(const json_t *cell) {
    return view_has(cell, "status", "ok");
}

bool view_too_short(const json_t *cell_or_row) {
    return json_is_true(json_object_get(cell_or_row, "too_short"));
}

static bool view_is_bounded(const results_view *view, const json_t *row) {
    const json_t *blocks = json_object_get(row, "blocks");
    return !json_is_integer(blocks) || json_integer_value(blocks) >= view->blocks_needed;
}

const view_ratio view_no_ratio = {NAN, NAN, NAN, "", true, false};

view_ratio view_compare(const results_view *view, const char *a, const char *b,
                        const char *workload, const char *pass) {
    const json_t *row = view_find(view->rows, a, b, workload, pass);
    bool forward = row != NULL;
    if (!row) row = view_find(view->rows, b, a, workload, pass);
    if (!row) return view_no_ratio;
    view_ratio r = {view_number(row, "ratio"), view_number(row, "low"),    view_number(row, "high"),
                    view_text(row, "verdict"), view_is_bounded(view, row), view_too_short(row)};
    if (forward) return r;
    bool faster = strcmp(r.verdict, "faster") == 0, slower = strcmp(r.verdict, "slower") == 0;
    double low = r.low;
    r.ratio = 1 / r.ratio;
    r.low = 1 / r.high;
    r.high = 1 / low;
    if (faster || slower) r.verdict = faster ? "slower" : "faster";
    return r;
}

static const json_t *view_allocator_entry(const results_view *view, const char *allocator) {
    size_t index;
    json_t *entry;
    json_array_foreach(json_object_get(view->context, "allocators"), index,
                       entry) if (view_has(entry, "name", allocator)) return entry;
    return NULL;
}

const char *view_allocator_text(const results_view *view, const char *allocator, const char *key) {
    return view_text(view_allocator_entry(view, allocator), key);
}

bool view_allocator_can(const results_view *view, const char *allocator, const char *what) {
    return json_is_true(json_object_get(view_allocator_entry(view, allocator), what));
}

double view_mean_of(const results_view *view, const char *a, const char *b, const char *key) {
    double sum = 0;
    for (size_t w = 0; w < view->workload_count; w++)
        sum += log(view_number(view_cell(view, a, view->workloads[w], "cold"), key) /
                   view_number(view_cell(view, b, view->workloads[w], "cold"), key));
    return exp(sum / (double)view->workload_count);
}
