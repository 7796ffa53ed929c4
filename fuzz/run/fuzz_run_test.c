// A fuzzing run of scripts in place of the programs.
#include "fuzz/run/fuzz_run.h"

#include "fuzz/run/test_folder.h"

enum { SECONDS = 20 }; // more than scripts that end at once need

// Writes the script of a unit, which writes to standard error.
static fuzz_unit unit_of(char *name, const char *text) {
    char *whole = text_format("#!/bin/sh\nexec >&2\n%s\n", text);
    put(name, whole);
    free(whole);
    return (fuzz_unit){.name = name, .program = text_format("./%s", name), .corpus = test_folder};
}

// Runs units. Returns how long it took.
static double run_units(fuzz_unit *units, size_t count, double seconds, unsigned jobs,
                        const char *findings) {
    fuzz_run run = {.units = units,
                    .count = count,
                    .seconds = seconds,
                    .jobs = jobs,
                    .findings = (char *)findings};
    assert_true(fuzz_run_all(&run));
    return run.ran;
}

FOLDER_TEST(output_is_counted) {
    fuzz_unit units[] = {
        unit_of((char[]){"good"}, "echo '#100\tNEW    cov: 50 ft: 60 corp: 7/90b lim: 4'\n"
                                  "echo 'linmem-fuzz: 300 operations'\n"
                                  "echo 'stat::number_of_executed_units: 120'\n"
                                  "echo 'linmem-fuzz: 400 operations'"),
        unit_of((char[]){"bad"},
                "echo '#9\tpulse  cov: 5 ft: 6 corp: 1/1b'\n"
                "echo 'linmem-fuzz: broken disjoint: block 1 lies in block 0'\n"
                "echo 'ERROR: libFuzzer: deadly signal'\n"
                "echo \"artifact_prefix='x'; Test unit written to x/bad-crash-1\"\nexit 77"),
        unit_of((char[]){"mute"}, "exit 3"),
    };
    run_units(units, 3, SECONDS, 4, test_folder);
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
}

// Runs one script, which runs until it is told to end, as a unit for a second.
static fuzz_unit run_alone(const char *text, double *ran) {
    fuzz_unit unit = unit_of((char[]){"one"}, text);
    *ran = run_units(&unit, 1, 1, 1, test_folder);
    free(unit.program);
    return unit;
}

#define PLAYS "i=0; while :; do i=$((i+1)); echo \"linmem-fuzz: $i inputs\"; sleep 0.1; done"

// The run keeps its time limit even if a program does not: one that plays on is told to end, and
// one that ignores that is killed. The time asserted is twice what the runner allows, for a busy
// machine.
FOLDER_TEST(the_time_is_kept) {
    static const char *const scripts[] = {"trap 'exit 72' INT; " PLAYS, "trap '' INT; " PLAYS};
    for (int i = 0; i < 2; i++) {
        double ran;
        fuzz_unit unit = run_alone(scripts[i], &ran);
        assert_string_equal(unit.broken, "");
        assert_false(unit.ready); // it has not printed INITED
        assert_true(unit.inputs > 0);
        assert_true(ran < 2 * (1 + 1 + 2 + 2));
    }
}

// A program without progress is given the time to report that it hangs.
FOLDER_TEST(a_program_can_report_that_it_hangs) {
    double ran;
    fuzz_unit unit = run_alone("echo '#1\tINITED cov: 1 ft: 1 corp: 1/1b'; sleep 4; "
                               "echo '==1== ERROR: libFuzzer: timeout after 5 seconds'; exit 70",
                               &ran);
    assert_string_equal(unit.broken, "broken hang: timeout after 5 seconds");
    assert_true(unit.ready);
}

// A unit that was not run for want of time is not counted as run.
FOLDER_TEST(no_unit_is_run_for_no_time) {
    fuzz_unit units[20] = {unit_of((char[]){"slow"}, "sleep 1")};
    for (int i = 1; i < 20; i++)
        units[i] = units[0];
    run_units(units, 20, 1, 1, test_folder);
    assert_int_equal(units[0].runs, 1);
    assert_int_equal(units[19].runs, 0);
    free(units[0].program);
}

// Paths may contain anything but a newline, and be of the maximum length.
FOLDER_TEST(paths_may_be_odd) {
    char odd[1600] = "./-a 'b' \"c\" %s #1 $HOME \\ ", name[200];
    memset(name, 'x', sizeof name);
    for (int deeper = 0; deeper < 7; deeper++)
        snprintf(odd + strlen(odd), sizeof odd - strlen(odd), "%.200s/", name);
    char *path = text_format("%sbad", odd);
    fuzz_unit unit = unit_of(path, "for word; do case $word in\n"
                                   "-artifact_prefix=*) prefix=${word#-artifact_prefix=};; "
                                   "esac; done\n"
                                   "echo found >\"${prefix}crash-1\"\n"
                                   "printf \"artifact_prefix='%s'; Test unit written to %s\\n\" "
                                   "\"$prefix\" \"${prefix}crash-1\"\n"
                                   "echo 'linmem-fuzz: broken sound: x'\nexit 77");
    unit.name = (char[]){"bad"};
    unit.corpus = odd;
    run_units(&unit, 1, SECONDS, 1, odd);
    assert_non_null(unit.finding);
    assert_true(test_exists(unit.finding));
    assert_string_equal(unit.broken, "broken sound: x");
    free(unit.finding);
    free(unit.program);
    free(path);
}

TEST_MAIN(NULL, NULL)
