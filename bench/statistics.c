#include "bench/statistics.h"

#include <math.h>
#include <stdlib.h>

enum { VALUES_MAX = 1024 };

static int estimate_compare(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

// Returns the rank (from 0) of the lower bound: the largest k for which fewer than k of n values
// are below the median with a probability of at most 2.5 %. −1: there is none.
static long estimate_rank_of_bound(size_t n) {
    double tail = 0, term = pow(0.5, (double)n); // P(exactly k of n below the median)
    long rank = -1;
    for (size_t k = 0; k < n; k++) {
        tail += term;
        if (tail > 0.025) break;
        rank = (long)k;
        term *= (double)(n - k) / (double)(k + 1);
    }
    return rank;
}

size_t estimate_blocks_needed(void) {
    size_t count = 1;
    while (estimate_rank_of_bound(count) < 0)
        count++;
    return count;
}

estimate estimate_median(const double *values, size_t count) {
    double sorted[VALUES_MAX];
    size_t n = 0;
    for (size_t i = 0; i < count && n < VALUES_MAX; i++)
        if (!isnan(values[i])) sorted[n++] = values[i];
    if (n == 0) return (estimate){NAN, NAN, NAN, 0, false};
    qsort(sorted, n, sizeof *sorted, estimate_compare);
    long rank = estimate_rank_of_bound(n);
    size_t low = rank < 0 ? 0 : (size_t)rank;
    return (estimate){(sorted[(n - 1) / 2] + sorted[n / 2]) / 2, sorted[low], sorted[n - 1 - low],
                      n, rank >= 0};
}

estimate estimate_ratio(const double *a, const double *b, size_t count) {
    double ratios[VALUES_MAX];
    if (count > VALUES_MAX) count = VALUES_MAX;
    for (size_t i = 0; i < count; i++)
        ratios[i] = b[i] / a[i];
    return estimate_median(ratios, count);
}

estimate estimate_geometric_mean(const double *const *a, const double *const *b, size_t workloads,
                                 size_t count, size_t *used) {
    double means[VALUES_MAX] = {0};
    if (count > VALUES_MAX) count = VALUES_MAX;
    *used = 0;
    for (size_t w = 0; w < workloads; w++) {
        if (estimate_ratio(a[w], b[w], count).count == 0) continue;
        ++*used;
        for (size_t i = 0; i < count; i++)
            means[i] += log(b[w][i] / a[w][i]);
    }
    for (size_t i = 0; i < count; i++)
        means[i] = *used ? exp(means[i] / (double)*used) : NAN;
    return estimate_median(means, count);
}

verdict verdict_of(const estimate *ratio, double minimum_effect) {
    if (!ratio->bounded) return VERDICT_UNCLEAR;
    if (ratio->low >= 1 / (1 + minimum_effect) && ratio->high <= 1 + minimum_effect)
        return VERDICT_SAME;
    if (ratio->low > 1) return VERDICT_FASTER;
    if (ratio->high < 1) return VERDICT_SLOWER;
    return VERDICT_UNCLEAR;
}

const char *verdict_name(verdict verdict) {
    static const char *const names[] = {"faster", "slower", "same", "unclear"};
    return names[verdict];
}
