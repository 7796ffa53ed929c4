// A fuzzing run of scripts in place of the programs.
#include "fuzz/run/fuzz_run.h"

#include "cli/file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char *script(const char *folder, const char *name, const char *text) {
    char *path;
    assert_true(asprintf(&path, "%s/%s", folder, name) > 0);
    FILE *stream = fopen(path, "w");
    assert_non_null(stream);
    fprintf(stream, "#!/bin/sh\nexec >&2\n%s\n", text);
    fclose(stream);
    assert_int_equal(chmod(path, 0755), 0);
    return path;
}

enum { SECONDS = 20 }; // more than scripts that end at once need

// A temporary folder for scripts.
static void enter(char folder[]) {
    assert_non_null(mkdtemp(folder));
}

static void leave(const char *folder) {
    assert_true(file_remove_tree(folder));
}

static void what_programs_say_is_counted(void **state) {
    (void)state;
    char folder[] = "/tmp/linmem-fuzz-run-test-XXXXXX";
    enter(folder);
    char *good = script(folder, "good",
                        "echo '#100\tNEW    cov: 50 ft: 60 corp: 7/90b lim: 4'\n"
                        "echo 'linmem-fuzz: 300 operations'\n"
                        "echo 'stat::number_of_executed_units: 120'\n"
                        "echo 'linmem-fuzz: 400 operations'");
    char *bad = script(folder, "bad",
                       "echo '#9\tpulse  cov: 5 ft: 6 corp: 1/1b'\n"
                       "echo 'linmem-fuzz: broken disjoint: block 1 lies in block 0'\n"
                       "echo 'ERROR: libFuzzer: deadly signal'\n"
                       "echo \"artifact_prefix='x'; Test unit written to x/bad-crash-1\"\nexit 77");
    char *mute = script(folder, "mute", "exit 3");
    fuzz_unit units[] = {
        {.name = (char[]){"good"}, .program = good, .corpus = folder},
        {.name = (char[]){"bad"}, .program = bad, .corpus = folder},
        {.name = (char[]){"mute"}, .program = mute, .corpus = folder},
    };
    fuzz_run run = {.units = units, .count = 3, .seconds = SECONDS, .jobs = 4, .findings = folder};
    assert_true(fuzz_run_all(&run));
    for (int i = 0; i < 3; i++)
        assert_int_equal(units[i].runs, 2); // so that four jobs have something to do
    assert_int_equal(units[0].inputs, 240);
    assert_int_equal(units[0].operations, 800);
    assert_int_equal(units[0].edges, 50);
    assert_int_equal(units[0].kept, 7);
    assert_string_equal(units[0].broken, "");
    assert_int_equal(units[1].inputs, 18);
    assert_string_equal(units[1].broken, "broken disjoint: block 1 lies in block 0");
    assert_string_equal(units[1].finding, "x/bad-crash-1");
    assert_string_equal(units[2].broken, "exit status 3");
    assert_null(units[2].finding);
    free(units[1].finding);
    for (int i = 0; i < 3; i++)
        free(units[i].program);
    leave(folder);
}

// Runs one script, which runs until it is told to end, as a unit.
static fuzz_unit run_alone(const char *text, double seconds, double *ran) {
    char folder[] = "/tmp/linmem-fuzz-run-test-XXXXXX";
    enter(folder);
    fuzz_unit unit = {
        .name = (char[]){"one"}, .program = script(folder, "one", text), .corpus = folder};
    fuzz_run run = {.units = &unit, .count = 1, .seconds = seconds, .jobs = 1, .findings = folder};
    assert_true(fuzz_run_all(&run));
    *ran = run.ran;
    free(unit.program);
    leave(folder);
    return unit;
}

#define PLAYS "i=0; while :; do i=$((i+1)); echo \"linmem-fuzz: $i inputs\"; sleep 0.1; done"

// The run keeps its time limit even if a program does not: one that plays on is told to end, and
// one that ignores that is killed. The time asserted is twice what the runner allows, for a busy
// machine.
static void the_time_is_kept(void **state) {
    (void)state;
    static const char *const scripts[] = {"trap 'exit 72' INT; " PLAYS, "trap '' INT; " PLAYS};
    for (int i = 0; i < 2; i++) {
        double ran;
        fuzz_unit unit = run_alone(scripts[i], 1, &ran);
        assert_string_equal(unit.broken, "");
        assert_false(unit.ready); // it has not printed INITED
        assert_true(unit.inputs > 0);
        assert_true(ran < 2 * (1 + 1 + 2 + 2));
    }
}

// A program without progress is given the time to report that it hangs.
static void what_hangs_can_say_so(void **state) {
    (void)state;
    double ran;
    fuzz_unit unit = run_alone("echo '#1\tINITED cov: 1 ft: 1 corp: 1/1b'; sleep 4; "
                               "echo '==1== ERROR: libFuzzer: timeout after 5 seconds'; exit 70",
                               1, &ran);
    assert_string_equal(unit.broken, "broken hang: timeout after 5 seconds");
    assert_true(unit.ready);
}

// A unit that was not run for want of time is not counted as run.
static void no_unit_is_run_for_no_time(void **state) {
    (void)state;
    char folder[] = "/tmp/linmem-fuzz-run-test-XXXXXX";
    enter(folder);
    char *slow = script(folder, "slow", "sleep 1");
    fuzz_unit units[20] = {0};
    for (int i = 0; i < 20; i++)
        units[i] = (fuzz_unit){.name = (char[]){"slow"}, .program = slow, .corpus = folder};
    fuzz_run run = {.units = units, .count = 20, .seconds = 1, .jobs = 1, .findings = folder};
    assert_true(fuzz_run_all(&run));
    assert_int_equal(units[0].runs, 1);
    assert_int_equal(units[19].runs, 0);
    free(slow);
    leave(folder);
}

// Paths may contain anything but a newline, and be of the maximum length.
static void paths_may_be_odd(void **state) {
    (void)state;
    char folder[] = "/tmp/linmem-fuzz-run-test-XXXXXX";
    enter(folder);
    char *odd, name[201];
    memset(name, 'x', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    assert_true(asprintf(&odd, "%s/-a 'b' \"c\" %%s #1 $HOME \\ %s", folder, name) > 0);
    for (int deeper = 0; deeper < 6; deeper++) {
        char *longer;
        assert_true(asprintf(&longer, "%s/%s", odd, name) > 0);
        free(odd);
        odd = longer;
    }
    assert_true(file_make_directory(odd));
    char *bad = script(odd, "bad",
                       "for word; do case $word in\n"
                       "-artifact_prefix=*) prefix=${word#-artifact_prefix=};; esac; done\n"
                       "echo found >\"${prefix}crash-1\"\n"
                       "printf \"artifact_prefix='%s'; Test unit written to %s\\n\" "
                       "\"$prefix\" \"${prefix}crash-1\"\n"
                       "echo 'linmem-fuzz: broken sound: x'\nexit 77");
    fuzz_unit unit = {.name = (char[]){"bad"}, .program = bad, .corpus = odd};
    fuzz_run run = {.units = &unit, .count = 1, .seconds = SECONDS, .jobs = 1, .findings = odd};
    assert_true(fuzz_run_all(&run));
    assert_non_null(unit.finding);
    assert_int_equal(access(unit.finding, F_OK), 0);
    assert_string_equal(unit.broken, "broken sound: x");
    free(unit.finding);
    free(bad);
    free(odd);
    leave(folder);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_programs_say_is_counted),
        cmocka_unit_test(the_time_is_kept),
        cmocka_unit_test(what_hangs_can_say_so),
        cmocka_unit_test(no_unit_is_run_for_no_time),
        cmocka_unit_test(paths_may_be_odd),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
