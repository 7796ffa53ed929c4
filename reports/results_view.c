#include "reports/results_view.h"

#include <math.h>
#include <string.h>

static const char *text(const json_t *object, const char *key) {
    const char *value = json_string_value(json_object_get(object, key));
    return value ? value : "";
}

// Takes the "name" of each object in an array. False: the array or a name is missing, or too many.
static bool take_names(const json_t *array, const char **names, size_t *count) {
    size_t index;
    json_t *entry;
    if (!json_is_array(array) || json_array_size(array) > VIEW_NAMES_MAX) return false;
    json_array_foreach(array, index, entry) {
        names[index] = json_string_value(json_object_get(entry, "name"));
        if (!names[index]) return false;
    }
    *count = json_array_size(array);
    return true;
}

const char *results_view_open(results_view *view, const json_t *results) {
    *view = (results_view){.results = results, .context = json_object_get(results, "context")};
    view->baseline = text(view->context, "baseline");
    view->blocks = json_integer_value(json_object_get(view->context, "blocks"));
    view->blocks_needed = json_integer_value(json_object_get(view->context, "blocks_for_verdicts"));
    if (strcmp(text(results, "format"), "linmem-results") != 0)
        return "its format is not \"linmem-results\"";
    if (json_integer_value(json_object_get(results, "version")) != 1) return "its version is not 1";
    if (!json_is_array(json_object_get(results, "cells"))) return "it has no array of cells";
    if (!json_is_array(json_object_get(results, "comparisons")))
        return "it has no array of comparisons";
    if (!take_names(json_object_get(view->context, "allocators"), view->allocators,
                    &view->allocator_count))
        return "its context names no allocators, or too many";
    if (!take_names(json_object_get(view->context, "workloads"), view->workloads,
                    &view->workload_count))
        return "its context names no workloads, or too many";
    return NULL;
}

static bool has(const json_t *object, const char *key, const char *value) {
    return strcmp(text(object, key), value) == 0;
}

const json_t *view_cell(const results_view *view, const char *allocator, const char *workload,
                        const char *pass) {
    size_t index;
    json_t *cell;
    json_array_foreach(json_object_get(view->results, "cells"), index,
                       cell) if (has(cell, "allocator", allocator) &&
                                 has(cell, "workload", workload) &&
                                 has(cell, "pass", pass)) return cell;
    return NULL;
}

double view_number(const json_t *cell, const char *key) {
    const json_t *value = strcmp(key, "ns_per_op") == 0
                              ? json_object_get(json_object_get(cell, key), "median")
                              : json_object_get(cell, key);
    return json_is_number(value) ? json_number_value(value) : NAN;
}

bool view_ok(const json_t *cell) {
    return has(cell, "status", "ok");
}

bool view_too_short(const json_t *cell_or_row) {
    return json_is_true(json_object_get(cell_or_row, "too_short"));
}

static double inverse(double ratio) {
    return 1 / ratio;
}

static bool is_bounded(const results_view *view, const json_t *row) {
    const json_t *blocks = json_object_get(row, "blocks");
    return !json_is_integer(blocks) || json_integer_value(blocks) >= view->blocks_needed;
}

const view_ratio view_no_ratio = {NAN, NAN, NAN, "", true, false};

view_ratio view_compare(const results_view *view, const char *a, const char *b,
                        const char *workload, const char *pass) {
    size_t index;
    json_t *row;
    json_array_foreach(json_object_get(view->results, "comparisons"), index, row) {
        if (!has(row, "workload", workload) || !has(row, "pass", pass)) continue;
        bool forward = has(row, "a", a) && has(row, "b", b);
        if (!forward && !(has(row, "a", b) && has(row, "b", a))) continue;
        view_ratio r = {view_number(row, "ratio"), view_number(row, "low"),
                        view_number(row, "high"),  text(row, "verdict"),
                        is_bounded(view, row),     view_too_short(row)};
        if (forward) return r;
        bool faster = strcmp(r.verdict, "faster") == 0, slower = strcmp(r.verdict, "slower") == 0;
        double low = r.low;
        r.ratio = inverse(r.ratio);
        r.low = inverse(r.high);
        r.high = inverse(low);
        if (faster || slower) r.verdict = faster ? "slower" : "faster";
        return r;
    }
    return view_no_ratio;
}

static const json_t *allocator_entry(const results_view *view, const char *allocator) {
    size_t index;
    json_t *entry;
    json_array_foreach(json_object_get(view->context, "allocators"), index,
                       entry) if (has(entry, "name", allocator)) return entry;
    return NULL;
}

const char *view_allocator_text(const results_view *view, const char *allocator, const char *key) {
    return text(allocator_entry(view, allocator), key);
}

bool view_allocator_can(const results_view *view, const char *allocator, const char *what) {
    return json_is_true(json_object_get(allocator_entry(view, allocator), what));
}

double view_mean_of(const results_view *view, const char *a, const char *b, const char *key) {
    double sum = 0;
    for (size_t w = 0; w < view->workload_count; w++)
        sum += log(view_number(view_cell(view, a, view->workloads[w], "cold"), key) /
                   view_number(view_cell(view, b, view->workloads[w], "cold"), key));
    return exp(sum / (double)view->workload_count);
}
