// The counts of a mutant.
#include "fuzz/score/mutants/mutant.h"

#include "alloc/cmocka.h"

#include <stdbool.h>

static int counts_are_zero(void **state) {
    (void)state;
    lm_mutant_reached = lm_mutant_triggered = 0;
    return 0;
}

static void reached_is_not_triggered(void **state) {
    (void)state;
    for (unsigned size = 0; size < 10; size++)
        LM_MUTANT(size > 7);
    assert_int_equal(lm_mutant_reached, 10);
    assert_int_equal(lm_mutant_triggered, 2);
}

// Conditions may be flags, pointers, and sizes of more than 32 bits.
static void whatever_is_not_zero_triggers(void **state) {
    (void)state;
    LM_MUTANT(6 & 4);
    LM_MUTANT((uint64_t)1 << 40);
    LM_MUTANT(state != NULL && state);
    LM_MUTANT((const void *)NULL);
    assert_int_equal(lm_mutant_reached, 4);
    assert_int_equal(lm_mutant_triggered, 3);
}

static void it_is_one_statement(void **state) {
    (void)state;
    if (lm_mutant_reached)
        LM_MUTANT(true);
    else
        LM_MUTANT(false);
    assert_int_equal(lm_mutant_reached, 1);
    assert_int_equal(lm_mutant_triggered, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(reached_is_not_triggered, counts_are_zero),
        cmocka_unit_test_setup(whatever_is_not_zero_triggers, counts_are_zero),
        cmocka_unit_test_setup(it_is_one_statement, counts_are_zero),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
