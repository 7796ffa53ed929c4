// The statistics of a comparison, all of them.
//
// Blocks are paired: in block i every allocator was played once, close together in time and in
// random order. So a ratio is taken within a block, and what remains is the median of the blocks'
// ratios. Its interval is the sign test's: between two order statistics, for any distribution;
// nothing is assumed normal and no outlier is dropped.
#pragma once

#include <stdbool.h>
#include <stddef.h>

// A value for each block; NaN where the block has none.
typedef struct estimate {
    double median, low, high; // [low, high]: at least 95 %; NaN where there is no value
    size_t count;             // of values that are not NaN
    bool bounded;             // false: too few values for 95 %; low and high are the extremes
} estimate;

typedef enum verdict { VERDICT_FASTER, VERDICT_SLOWER, VERDICT_SAME, VERDICT_UNCLEAR } verdict;

// The median of values and its interval. O(n log n).
estimate estimate_median(const double *values, size_t count);

// The fewest values that bound a median to 95 %: 6.
size_t estimate_blocks_needed(void);

// How much faster a is than b, from their times in each block: the median of b ÷ a.
estimate estimate_ratio(const double *a, const double *b, size_t count);

// The same over several workloads at once: in each block the geometric mean of the workloads'
// ratios; a workload for which either has no value in any block is left out, and `used` counts the
// others. a[w] and b[w] are a workload's times.
estimate estimate_geometric_mean(const double *const *a, const double *const *b, size_t workloads,
                                 size_t count, size_t *used);

// same: the whole interval lies within ±minimum_effect (0.01: 1 %) of 1; faster, slower: it lies on
// one side of 1; unclear: neither, or not bounded.
verdict verdict_of(const estimate *ratio, double minimum_effect);
const char *verdict_name(verdict verdict);
