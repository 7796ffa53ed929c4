// The counts of a mutant.
#include "cli/test.h"
#include "fuzz/score/mutants/mutant.h"

#include <stdbool.h>

static int counts_are_zero(void **state) {
    lm_mutant_reached = lm_mutant_triggered = 0;
    return 0;
}

TEST(reached_is_not_triggered, .setup_func = counts_are_zero) {
    for (unsigned size = 0; size < 10; size++)
        LM_MUTANT(size > 7);
    assert_int_equal(lm_mutant_reached, 10);
    assert_int_equal(lm_mutant_triggered, 2);
}

// Conditions may be flags, pointers, and sizes of more than 32 bits.
TEST(whatever_is_not_zero_triggers, .setup_func = counts_are_zero) {
    LM_MUTANT(6 & 4);
    LM_MUTANT((uint64_t)1 << 40);
    LM_MUTANT(state != NULL && state);
    LM_MUTANT((const void *)NULL);
    assert_int_equal(lm_mutant_reached, 4);
    assert_int_equal(lm_mutant_triggered, 3);
}

TEST(it_is_one_statement, .setup_func = counts_are_zero) {
    if (lm_mutant_reached)
        LM_MUTANT(true);
    else
        LM_MUTANT(false);
    assert_int_equal(lm_mutant_reached, 1);
    assert_int_equal(lm_mutant_triggered, 0);
}

TEST_MAIN(NULL, NULL)
