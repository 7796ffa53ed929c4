#include "bench/statistics.h"
#include "cli/random.h"
#include "cli/test.h"

#include <math.h>

static uint64_t random_state;

static double uniform(void) {
    return (double)(random_next(&random_state) >> 11) / 0x1p53;
}

// Noise like that of real machines: skewed, with outliers.
static double noisy(double time) {
    double z = time * (1 + 0.03 * uniform() * uniform());
    return uniform() < 0.05 ? z * (1 + uniform()) : z;
}

TEST(median_and_its_bounds) {
    double nine[] = {9, 1, 8, 2, 7, 3, 6, 4, 5};
    estimate e = estimate_median(nine, 9);
    assert_true(e.bounded && e.count == 9);
    assert_true(e.median == 5);
    assert_true(e.low == 2 && e.high == 8); // P(X < 2 of 9) = 10/512: the second and the eighth
    double six[] = {1, 2, 3, 4, 5, 6};
    e = estimate_median(six, 6);
    assert_true(e.bounded && e.median == 3.5 && e.low == 1 && e.high == 6); // 2/64 outside
}

TEST(too_few_values_bound_nothing) {
    double values[] = {1, 1, 1, 1, 1, NAN, NAN};
    estimate e = estimate_median(values, 7);
    assert_false(e.bounded);
    assert_int_equal(e.count, 5);
    assert_int_equal(verdict_of(&e, 0.01), VERDICT_UNCLEAR);
    e = estimate_median(values + 5, 2);
    assert_true(e.count == 0 && isnan(e.median) && !e.bounded);
    assert_int_equal(verdict_of(&e, 0.01), VERDICT_UNCLEAR);
}

TEST(ratio_is_paired) {
    // b takes half as long in each block, whatever the blocks take
    double a[12], b[12];
    for (int i = 0; i < 12; i++)
        b[i] = (a[i] = 10 + 90 * uniform()) / 2;
    a[3] = NAN; // a block that failed leaves the others paired
    estimate e = estimate_ratio(a, b, 12);
    assert_true(e.count == 11 && e.bounded);
    assert_true(fabs(e.median - 0.5) < 1e-12 && fabs(e.high - 0.5) < 1e-12);
    assert_int_equal(verdict_of(&e, 0.01), VERDICT_SLOWER);
    e = estimate_ratio(b, a, 12);
    assert_true(fabs(e.median - 2) < 1e-12);
    assert_int_equal(verdict_of(&e, 0.01), VERDICT_FASTER);
}

TEST(verdicts) {
    static const struct {
        double low, high;
        verdict verdict;
    } rows[] = {
        {1.02, 1.05, VERDICT_FASTER},
        {0.95, 0.98, VERDICT_SLOWER},
        {0.995, 1.005, VERDICT_SAME},
        {1.001, 1.005, VERDICT_SAME}, // a difference, but a small one
        {0.98, 1.02, VERDICT_UNCLEAR},
        {0.995, 1.02, VERDICT_UNCLEAR},
        {1.005, 1.02, VERDICT_FASTER},
        {0.97, 0.995, VERDICT_SLOWER},
    };
    for (size_t i = 0; i < ITEMS(rows); i++) {
        estimate e = {1, rows[i].low, rows[i].high, 20, true};
        assert_int_equal(verdict_of(&e, 0.01), rows[i].verdict);
    }
    assert_string_equal(verdict_name(VERDICT_UNCLEAR), "unclear");
}

TEST(geometric_mean_over_what_both_have) {
    double a0[] = {1, 1, 1, 1, 1, 1}, b0[] = {4, 4, 4, 4, 4, 4};
    double a1[] = {2, 2, 2, 2, 2, 2}, b1[] = {2, 2, 2, 2, 2, 2};
    double none[] = {NAN, NAN, NAN, NAN, NAN, NAN};
    const double *a[] = {a0, a1, none}, *b[] = {b0, b1, b0};
    size_t used;
    estimate e = estimate_geometric_mean(a, b, 3, 6, &used);
    assert_int_equal(used, 2);
    assert_true(fabs(e.median - 2) < 1e-12); // √(4 × 1)
    e = estimate_geometric_mean(&a[2], &b[2], 1, 6, &used);
    assert_true(used == 0 && isnan(e.median));
}

// Returns the ratio of two allocators over 25 blocks with the same noise, where a takes `factor`
// times as long as b.
static estimate noisy_ratio(double factor) {
    double a[25], b[25];
    for (int i = 0; i < 25; i++)
        a[i] = noisy(7 * factor), b[i] = noisy(7);
    return estimate_ratio(a, b, 25);
}

TEST(false_verdicts_are_rare) {
    random_state = 1;
    int wrong = 0;
    enum { TRIALS = 4000 };
    for (int trial = 0; trial < TRIALS; trial++) {
        estimate e = noisy_ratio(1);
        wrong += e.low > 1 || e.high < 1;
    }
    assert_in_range(wrong, TRIALS / 50, TRIALS / 20 + 40); // 4.3 % by the binomial
}

TEST(three_percent_are_found) {
    random_state = 2;
    int found = 0;
    for (int trial = 0; trial < 100; trial++) {
        estimate e = noisy_ratio(1.03);
        found += verdict_of(&e, 0.01) == VERDICT_SLOWER;
    }
    assert_true(found >= 95);
}

TEST_MAIN(NULL, NULL)
