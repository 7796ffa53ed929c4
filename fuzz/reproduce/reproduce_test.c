// linmem reproduce, tried as it is used: this program is copied beside scripts that stand for the
// fuzz targets' programs, and is then the command.
#include "fuzz/reproduce/reproduce_command.h"

#include "cli/child.h"
#include "cli/file.h"
#include "cli/text.h"
#include "cli/verb.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[100];

static char *path_of(const char *name) {
    return text_format("%s/%s", folder, name);
}

static void put(const char *name, const char *text) {
    char *path = path_of(name);
    FILE *stream = fopen(path, "w");
    assert_non_null(stream);
    fputs(text, stream);
    fclose(stream);
    assert_int_equal(chmod(path, 0755), 0);
    free(path);
}

static bool is_there(const char *name) {
    char *path = path_of(name);
    bool there = access(path, F_OK) == 0;
    free(path);
    return there;
}

static int enter(void **state) {
    (void)state;
    strcpy(folder, "/tmp/linmem reproduce's-test-XXXXXX"); // as users name folders
    if (!mkdtemp(folder)) return -1;
    char *build = path_of("build/dev"), *programs = path_of("build/fuzz");
    char *copy = text_format("cp /proc/%d/exe \"$0/self\"", (int)getpid());
    child_end end;
    child_wait(file_make_directory(build) && file_make_directory(programs)
                   ? child_start(&(child_options){
                         .argv = (const char *const[]){"sh", "-c", copy, build, NULL}, .cpu = -1})
                   : -1,
               60, &end);
    free(build);
    free(programs);
    free(copy);
    return end.ok ? 0 : -1;
}

static int leave(void **state) {
    (void)state;
    return file_remove_tree(folder) ? 0 : -1;
}

// Runs the command in the folder; what it says is to be freed.
static char *reproduce_input(const char *options, int *status) {
    char *line = text_format(
        "cd \"$0\" && ASAN_OPTIONS=detect_leaks=0 build/dev/self %s >said 2>&1", options);
    child_end end;
    size_t size;
    child_wait(child_start(&(child_options){
                   .argv = (const char *const[]){"sh", "-c", line, folder, NULL}, .cpu = -1}),
               300, &end);
    char *said = path_of("said"), *text = file_read(said, &size);
    assert_non_null(text);
    *status = end.exit_status;
    free(line);
    free(said);
    return text;
}

static void assert_says(const char *options, int status, const char *part) {
    int ended;
    char *said = reproduce_input(options, &ended);
    if (ended != status || !strstr(said, part))
        fail_msg("%s: status %d, '%s' was expected in: %s", options, ended, part, said);
    free(said);
}

#define TRACE "linmem-trace 1\nh 16 1 64\na 0 100\na 1 13\nf 0\nf 1\n"

// As the sanitizers' program says it: of a wrong shift, whatever is played.
#define SHIFTS                                                                                     \
    "#!/bin/sh\n"                                                                                  \
    "echo '/src/linmem/alloc/strategies/fit/tlsf.c:88:7: runtime error: shift exponent 33 is too " \
    "large' >&2\nexit 1\n"

static void what_is_no_input_is_bad_usage(void **state) {
    (void)state;
    put("empty", "");
    put("bad.lmt", "linmem-trace 1\nf 7\n");
    assert_says("none", 2, "none: No such file");
    assert_says("empty", 2, "empty: is empty");
    assert_says(".", 2, ".: Is a directory");
    assert_says("bad.lmt", 2, "bad.lmt: line 2");
    assert_says("bad.lmt --target hep", 2, "did you mean 'heap'?");
    put("good.lmt", TRACE);
    assert_says("good.lmt -o /proc/none", 2, "/proc/none");
    assert_says("good.lmt --shrink-seconds x", 2, "shrink-seconds must be");
}

// By content, not by name alone; on standard input, too.
static void an_input_is_known_by_its_content(void **state) {
    (void)state;
    put("-odd name", TRACE);
    assert_says("-a tlsf -- '-odd name'", 0, "nothing is broken: 5 operations, 1 allocator");
    assert_says("-a tlsf - <'-odd name'", 0, "nothing is broken: 5 operations, 1 allocator");
}

// A finding that fuzz named is played by the program that found it.
static void a_finding_is_known_by_its_name(void **state) {
    (void)state;
    put("build/fuzz/trace", "#!/bin/sh\necho 'linmem-fuzz: broken reader: x' >&2\nexit 1\n");
    put("trace-crash-0123", "any bytes");
    assert_says("trace-crash-0123", 1, "trace: broken reader: x");
    put("misuse-bump-timeout-0123", "any bytes");
    assert_says("misuse-bump-timeout-0123", 0, "1 allocator");
    assert_says("misuse-bump-timeout-0123 --target heap --allocator tlsf", 0, "1 allocator");
    assert_says("trace-crash-0123 --programs", 0, "program trace\n");
    assert_says("misuse-bump-timeout-0123 --programs", 0, "");
}

// What fails while an input is not short: shrinking takes some tries.
#define LONG                                                                                       \
    "linmem-trace 1\nh 16 1 64\na 0 100\na 1 13\na 2 9\na 3 50000\na 4 77\nf 0\nf 1\nf 2\n"        \
    "a 5 100\na 6 13\na 7 9\na 8 50000\na 9 77\nf 3\nf 4\nf 5\nf 6\nf 7\nf 8\nf 9\n"
#define FAILS_IF_LONG                                                                              \
    "[ $(wc -c </proc/self/fd/4) -lt 30 ] && exit 0\n"                                             \
    "echo 'x/alloc/a.c:8:7: runtime error: x' >&2\nexit 1\n"

// No other way shows it: it is reproduced, and named, as the sanitizer's.
static void a_sanitizers_finding_is_the_sanitizers(void **state) {
    (void)state;
    put("build/fuzz/heap-tlsf", SHIFTS);
    put("x.lmt", TRACE);
    assert_says("x.lmt --allocator tlsf", 1,
                "tlsf, level 1, sanitizers: broken ubsan: alloc/strategies/fit/tlsf.c:88:7: shift");
    assert_true(is_there("findings/ubsan-tlsf.lmt") && is_there("findings/ubsan-tlsf.c"));
    assert_says("x.lmt --programs", 0, "program heap-tlsf\n");
}

// What was found before, and is another bug, stays; what is the same takes no second name.
static void findings_of_one_law_stand_side_by_side(void **state) {
    (void)state;
    put("build/fuzz/heap-tlsf", SHIFTS);
    put("x.lmt", TRACE);
    char *findings = path_of("findings");
    assert_true(file_make_directory(findings));
    free(findings);
    put("findings/ubsan-tlsf.lmt", TRACE);
    assert_says("x.lmt --allocator tlsf", 1, "findings/ubsan-tlsf-2.lmt");
    assert_says("x.lmt --allocator tlsf", 1, "findings/ubsan-tlsf-2.lmt");
    assert_false(is_there("findings/ubsan-tlsf-3.lmt"));
}

// Whoever stops the shrinking has the smallest trace so far; the C program is not waited for.
static void ctrl_c_keeps_the_smallest_so_far(void **state) {
    (void)state;
    put("build/fuzz/heap-tlsf", "#!/bin/sh\necho >>tries\n"
                                "[ $(wc -l <tries) -lt 9 ] || kill -INT $PPID\n" FAILS_IF_LONG);
    put("x.lmt", LONG);
    assert_says("x.lmt --allocator tlsf", 1, "interrupted, so perhaps not the smallest");
    assert_true(is_there("findings/ubsan-tlsf.lmt"));
    assert_false(is_there("findings/ubsan-tlsf.c"));
}

static void a_limit_that_ends_the_shrinking_is_told(void **state) {
    (void)state;
    put("build/fuzz/heap-tlsf", "#!/bin/sh\nsleep 0.2\n" FAILS_IF_LONG);
    put("x.lmt", LONG);
    assert_says("x.lmt --allocator tlsf --shrink-seconds 1", 1, "stopped after 1 s");
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, enter, leave)

int main(int argc, char **argv) {
    if (argc > 1) return (int)reproduce_command(argc, argv);
    const struct CMUnitTest tests[] = {
        IN_FOLDER(what_is_no_input_is_bad_usage),
        IN_FOLDER(an_input_is_known_by_its_content),
        IN_FOLDER(a_finding_is_known_by_its_name),
        IN_FOLDER(a_sanitizers_finding_is_the_sanitizers),
        IN_FOLDER(findings_of_one_law_stand_side_by_side),
        IN_FOLDER(ctrl_c_keeps_the_smallest_so_far),
        IN_FOLDER(a_limit_that_ends_the_shrinking_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
