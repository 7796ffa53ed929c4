// A view of results.json: the queries of the report.
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#define VIEW_GEOMETRIC_MEAN "geometric mean"

typedef struct results_view {
    const json_t *results, *context;
    const char *engine; // whose results these are; "": of all
    const char *baseline;
    const char **allocators, **workloads; // in the order of the context
    size_t allocator_count, workload_count;
    json_t *cells, *rows;             // index by names; of duplicates, the first
    json_int_t blocks, blocks_needed; // blocks run, and blocks that a verdict needs
} results_view;

typedef struct view_ratio {
    double ratio, low, high; // above 1: a is faster than b; NaN: no ratio
    const char *verdict;
    bool bounded;   // [low, high] is at least 95 %; else too few blocks, and they are the extremes
    bool too_short; // the pass was too short for the clock
} view_ratio;

extern const view_ratio view_no_ratio;

// Opens a view of results, which must outlive it. Returns NULL, or the reason in one line if they
// do not have the form of results.json; the view must then not be closed.
const char *results_view_open(results_view *view, const json_t *results);

// The same for one engine: an entry of "engines" in the context, which is then the view's context.
const char *results_view_open_engine(results_view *view, const json_t *results,
                                     const json_t *engine);

void results_view_close(results_view *view);

// Returns a cell, or NULL; and a number of a cell, or NaN if the cell is NULL or lacks it.
const json_t *view_cell(const results_view *view, const char *allocator, const char *workload,
                        const char *pass);
double view_number(const json_t *cell, const char *key);
bool view_ok(const json_t *cell);
bool view_too_short(const json_t *cell_or_row);

// Compares a with b on a workload, or on VIEW_GEOMETRIC_MEAN. Older results that lack a
// comparison's number of blocks are taken as bounded.
view_ratio view_compare(const results_view *view, const char *a, const char *b,
                        const char *workload, const char *pass);

// Returns a text field of an allocator's entry in the context ("kind", "answered_by", …), or "".
const char *view_allocator_text(const results_view *view, const char *allocator, const char *key);

// Returns a flag of an allocator's entry in the context ("frees_blocks", "shares_threads").
bool view_allocator_can(const results_view *view, const char *allocator, const char *what);

// Returns the geometric mean over all workloads of a's number ÷ b's in the cold pass, or NaN if one
// is missing.
double view_mean_of(const results_view *view, const char *a, const char *b, const char *key);
