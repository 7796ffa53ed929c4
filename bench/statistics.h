// All statistics of a comparison.
//
// Blocks are paired: block i ran every allocator once, close together in time and in random order.
// Ratios are therefore taken within a block, and the estimate is their median over the blocks. Its
// interval is the sign test's, between two order statistics: it holds for any distribution, and no
// outlier is dropped.
#pragma once

#include <stdbool.h>
#include <stddef.h>

// Arrays have a value for each block; NaN if the block has none.
typedef struct estimate {
    double median, low, high; // [low, high]: at least 95 %; all NaN if there is no value
    size_t count;             // of values that are not NaN
    bool bounded;             // false: too few values for 95 %; low and high are the extremes
} estimate;

typedef enum verdict { VERDICT_FASTER, VERDICT_SLOWER, VERDICT_SAME, VERDICT_UNCLEAR } verdict;

// Returns the median of the values and its interval. O(n log n).
estimate estimate_median(const double *values, size_t count);

// Returns the smallest number of values that bound a median with 95 % confidence: 6.
size_t estimate_blocks_needed(void);

// Returns how much faster a is than b, given their times by block: the median of b ÷ a.
estimate estimate_ratio(const double *a, const double *b, size_t count);

// The same over several workloads: the median of each block's geometric mean of the workloads'
// ratios. a[w] and b[w] are the times on workload w. A workload without a ratio in any block is
// left out; `used` counts the others.
estimate estimate_geometric_mean(const double *const *a, const double *const *b, size_t workloads,
                                 size_t count, size_t *used);

// same: the whole interval is within ±minimum_effect (0.01: 1 %) of 1; else faster or slower: it is
// on one side of 1; else unclear, as always if not bounded.
verdict verdict_of(const estimate *ratio, double minimum_effect);
const char *verdict_name(verdict verdict);
