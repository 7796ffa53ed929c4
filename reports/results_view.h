// A view on results.json: what the renderers ask of it.
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#define VIEW_GEOMETRIC_MEAN "geometric mean"

typedef struct results_view {
    const json_t *results, *context;
    const char *baseline;
    const char **allocators, **workloads; // in the order of the context
    size_t allocator_count, workload_count;
    json_t *cells, *rows;             // by what they are of: the first of several
    json_int_t blocks, blocks_needed; // that were played, and that a verdict needs
} results_view;

typedef struct view_ratio {
    double ratio, low, high; // above 1: a is faster than b; NaN where there is none
    const char *verdict;
    bool bounded;   // blocks enough for low and high to bound 95 %; else they are the extremes
    bool too_short; // of a pass that is too short to tell
} view_ratio;

extern const view_ratio view_no_ratio;

// Looks at results, which must outlive the view. Returns NULL, or, in one line, why they have not
// the form of results.json; there is no view to be closed then.
const char *results_view_open(results_view *view, const json_t *results);

void results_view_close(results_view *view);

// A cell, or NULL; and a number of it: NaN where it is null or there is no such cell.
const json_t *view_cell(const results_view *view, const char *allocator, const char *workload,
                        const char *pass);
double view_number(const json_t *cell, const char *key);
bool view_ok(const json_t *cell);
bool view_too_short(const json_t *cell_or_row);

// How a compares with b on a workload, or on VIEW_GEOMETRIC_MEAN. Results that don't tell the
// blocks of a comparison are older than that: they are taken for bounded.
view_ratio view_compare(const results_view *view, const char *a, const char *b,
                        const char *workload, const char *pass);

// A text field of an allocator's entry in the context ("kind", "answered_by", …), or "".
const char *view_allocator_text(const results_view *view, const char *allocator, const char *key);

// Whether an allocator's entry states what is asked ("frees_blocks", "shares_threads").
bool view_allocator_can(const results_view *view, const char *allocator, const char *what);

// The geometric mean over the workloads of a's number ÷ b's, on the cold pass; NaN where some lack
// it.
double view_mean_of(const results_view *view, const char *a, const char *b, const char *key);
