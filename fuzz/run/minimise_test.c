// Minimising by scripts in place of the programs.
#include "fuzz/run/minimise.h"

#include "cli/interrupt.h"
#include "fuzz/run/test_folder.h"

#include <signal.h>

// "one" keeps the inputs that are not named old; "two" adds one of its own.
static fuzz_unit units[] = {
    {.target = "heap",
     .name = (char[]){"one"},
     .program = (char[]){"./one"},
     .corpus = (char[]){"corpus"},
     .seeds = (char[]){"seeds/heap"}},
    {.target = "heap",
     .name = (char[]){"two"},
     .program = (char[]){"./two"},
     .corpus = (char[]){"corpus"},
     .seeds = (char[]){"seeds/heap"}},
};
static const fuzz_run run = {.units = units, .count = 2};

static void make_world(void) {
    put("seeds/heap/old", "old");
    put("corpus/new", "new");
    put("one", "#!/bin/sh\n[ \"$1\" = -set_cover_merge=1 ] && cp \"$3/new\" \"$2\"");
    put("two", "#!/bin/sh\necho two >\"$2/two\"");
}

FOLDER_TEST(seeds_are_replaced_again_and_again) {
    char error[300];
    make_world();
    assert_true(minimise(&run, "seeds", error));
    assert_true(test_exists("seeds/heap/new") && test_exists("seeds/heap/two"));
    assert_false(test_exists("seeds/heap/old"));
    assert_true(test_exists("seeds/heap.old/old"));
    if (!minimise(&run, "seeds", error)) fail_msg("the second time: %s", error);
    assert_true(test_exists("seeds/heap/new"));
    assert_true(test_exists("seeds/heap.old/new"));
    assert_false(test_exists("seeds/heap.old/old"));
    assert_false(test_exists("seeds/heap.minimised"));
}

FOLDER_TEST(a_failure_leaves_the_seeds_as_they_were) {
    char error[300];
    make_world();
    put("two", "#!/bin/sh\nexit 1");
    assert_false(minimise(&run, "seeds", error));
    assert_string_equal(error, "two: exit status 1");
    assert_true(test_exists("seeds/heap/old"));
    assert_false(test_exists("seeds/heap.old") || test_exists("seeds/heap.minimised"));
}

// Must be the last test, since the interruption persists.
FOLDER_TEST(so_does_an_interruption) {
    char error[300];
    make_world();
    interrupt_catch();
    put("two", "#!/bin/sh\nkill -INT $PPID; sleep 60");
    assert_false(minimise(&run, "seeds", error));
    assert_string_equal(error, "");
    assert_true(test_exists("seeds/heap/old"));
    assert_false(test_exists("seeds/heap.old") || test_exists("seeds/heap.minimised"));
}

TEST_MAIN(NULL, NULL)
