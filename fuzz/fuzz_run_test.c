// A fuzzing run, with scripts in the place of programs.
#include "fuzz/fuzz_run.h"

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

static void what_programs_say_is_counted(void **state) {
    (void)state;
    char folder[] = "/tmp/linmem-fuzz-run-test-XXXXXX";
    assert_non_null(mkdtemp(folder));
    char *good = script(folder, "good",
                        "echo '#100\tNEW    cov: 50 ft: 60 corp: 7/90b lim: 4'\n"
                        "echo 'linmem-fuzz: 300 operations'\n"
                        "echo 'stat::number_of_executed_units: 120'\n"
                        "echo 'linmem-fuzz: 400 operations'");
    char *bad = script(folder, "bad",
                       "echo '#9\tpulse  cov: 5 ft: 6 corp: 1/1b'\n"
                       "echo 'linmem-fuzz: broken overlap: block 1 lies in block 0'\n"
                       "echo 'ERROR: libFuzzer: deadly signal'\n"
                       "echo \"artifact_prefix='x'; Test unit written to x/bad-crash-1\"\nexit 77");
    char *mute = script(folder, "mute", "exit 3");
    fuzz_unit units[] = {
        {.name = (char[]){"good"}, .program = good, .corpus = folder},
        {.name = (char[]){"bad"}, .program = bad, .corpus = folder},
        {.name = (char[]){"mute"}, .program = mute, .corpus = folder},
    };
    fuzz_run run = {.units = units, .count = 3, .seconds = 1, .jobs = 4, .findings = folder};
    assert_true(fuzz_run_all(&run));
    for (int i = 0; i < 3; i++)
        assert_int_equal(units[i].runs, 2); // so that four jobs have something to do
    assert_int_equal(units[0].inputs, 240);
    assert_int_equal(units[0].operations, 800);
    assert_int_equal(units[0].edges, 50);
    assert_int_equal(units[0].kept, 7);
    assert_string_equal(units[0].broken, "");
    assert_int_equal(units[1].inputs, 18);
    assert_string_equal(units[1].broken, "broken overlap: block 1 lies in block 0");
    assert_string_equal(units[1].finding, "x/bad-crash-1");
    assert_string_equal(units[2].broken, "exit status 3");
    assert_null(units[2].finding);
    free(units[1].finding);
    for (int i = 0; i < 3; i++) {
        unlink(units[i].program);
        free(units[i].program);
    }
    rmdir(folder);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(what_programs_say_is_counted)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
