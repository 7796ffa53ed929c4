// Smoke scores: ten bugs that fuzzing finds within seconds, at least one for each kind of oracle,
// and six that the explorer finds. All must be found.
#include "cli/interrupt.h"
#include "cli/test.h"
#include "fuzz/score/score.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

// Scores the mutants of these names, ended by NULL; each must be found.
static void all_are_found(const char *const *names, score_options options) {
    char *chosen[20] = {NULL};
    size_t count = 0, control = 0;
    for (; names[count]; count++)
        chosen[count] = (char *)names[count];
    mutant_list list;
    score score;
    char error[300] = "";
    if (!mutant_list_read(&list, LINMEM_SOURCE_DIR, error)) fail_msg("%s", error);
    options.root = LINMEM_SOURCE_DIR;
    options.seconds = 120;
    options.seeds = 1;
    options.jobs = 2;
    options.chosen = chosen;
    if (!score_take(&score, &options, &list, error)) fail_msg("%s", error);
    score_print(&score, stdout);
    for (size_t i = 0; i < score.count; i++) {
        const score_entry *e = &score.entries[i];
        control += !e->mutant;
        assert_true(!e->mutant || (e->found && e->triggered));
    }
    assert_int_equal(score.count - control, count);
    assert_int_equal(control > 0, options.control > 0);
    assert_true(score_holds(&score));
    score_free(&score);
    mutant_list_free(&list);
}

TEST(ten_mutants_are_found) {
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
        NULL,
    };
    all_are_found(names, (score_options){0});
}

// Mutants of heaps and of buffers, one of them found by a sanitizer. The original code has no
// finding.
TEST(mutants_are_found_by_the_explorer) {
    static const char *const names[] = {
        "bins-victim-lost",
        "buddy-takes-the-whole-block",
        "copy-overlaps",
        "drained-before-the-older",
        "scope-idle-list-lost",
        "wrong-held-value",
        NULL,
    };
    all_are_found(names, (score_options){.depth = 4, .control = 1});
}

int main(void) {
    interrupt_catch();
    return cmocka_run_group_tests(test_list, NULL, NULL);
}
