#include "alloc/registry.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void tables_are_complete(void **state) {
    (void)state;
    assert_true(lm_strategy_count() > 0);
    for (size_t i = 0; i < lm_strategy_count(); i++) {
        for (int level = 0; level < LM_CHECK_LEVELS; level++) {
            const lm_allocator *a = lm_strategy_at(i, level);
            assert_int_equal(a->check_level, level);
            assert_true(strlen(a->name) > 0 && strlen(a->idea) > 0);
            assert_null(strchr(a->idea, '\n'));
            assert_in_range(strlen(a->idea), 10, 56); // beside its name and size in 80 columns
            assert_int_equal(a->capabilities & LM_IN_LINEAR_MEMORY, LM_IN_LINEAR_MEMORY);
            assert_true(a->start && a->allocate && a->allocate_zeroed && a->allocate_aligned);
            assert_true(a->resize && a->resize_aligned && a->free && a->usable_size);
            assert_true(a->reset && a->validate);
        }
    }
}

static void levels_differ_in_nothing_else(void **state) {
    (void)state;
    for (size_t i = 0; i < lm_strategy_count(); i++) {
        const lm_allocator *first = lm_strategy_at(i, 0);
        for (int level = 1; level < LM_CHECK_LEVELS; level++) {
            const lm_allocator *a = lm_strategy_at(i, level);
            assert_ptr_not_equal(a, first);
            assert_string_equal(a->name, first->name);
            assert_string_equal(a->idea, first->idea);
            assert_int_equal(a->capabilities, first->capabilities);
        }
    }
}

static void names_find_their_strategy(void **state) {
    (void)state;
    for (size_t i = 0; i < lm_strategy_count(); i++) {
        const lm_allocator *a = lm_strategy_at(i, 1);
        assert_ptr_equal(lm_strategy_named(a->name, 1), a); // so no name stands twice
    }
    assert_null(lm_strategy_named("", 0));
    assert_null(lm_strategy_named("tls", 0));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tables_are_complete),
        cmocka_unit_test(levels_differ_in_nothing_else),
        cmocka_unit_test(names_find_their_strategy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
