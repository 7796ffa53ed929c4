// A smoke score: ten bugs that fuzzing finds soon, one or more for each kind of oracle. All must be
// found; the time is generous.
#include "cli/interrupt.h"
#include "fuzz/score.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static void ten_mutants_are_found(void **state) {
    (void)state;
    static const char *const names[] = {
        "bitmap-last-word-not-masked",
        "buddy-takes-the-whole-block",
        "bump-size-wraps",
        "failed-resize-frees",
        "resize-copies-new-size",
        "resize-drops-alignment",
        "scope-close-keeps-clean",
        "scope-idle-list-lost",
        "segregated-class-off-by-one",
        "segregated-size-past-the-classes",
    };
    enum { MUTANTS = sizeof names / sizeof *names };
    char *chosen[MUTANTS + 1] = {NULL};
    for (size_t i = 0; i < MUTANTS; i++)
        chosen[i] = (char *)names[i];
    mutant_list list;
    score score;
    char error[300] = "";
    if (!mutant_list_read(&list, LINMEM_SOURCE_DIR, 1, error)) fail_msg("%s", error);
    score_options options = {
        .root = LINMEM_SOURCE_DIR, .seconds = 120, .seeds = 1, .jobs = 2, .chosen = chosen};
    if (!score_take(&score, &options, &list, error)) fail_msg("%s", error);
    score_print(&score, stdout);
    assert_int_equal(score.count, MUTANTS);
    for (size_t i = 0; i < score.count; i++)
        assert_true(score.entries[i].found && score.entries[i].triggered);
    assert_true(score_holds(&score));
    score_free(&score);
    mutant_list_free(&list);
}

int main(void) {
    interrupt_catch();
    const struct CMUnitTest tests[] = {cmocka_unit_test(ten_mutants_are_found)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
