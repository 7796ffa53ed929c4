// Tests linmem reproduce as a command: a copy of this program runs it, beside scripts in place of
// the fuzz targets' programs.
#include "fuzz/reproduce/reproduce_command.h"

#include "fuzz/run/test_folder.h"

static void assert_says(const char *options, int status, const char *part) {
    if (!test_exists("build/fuzz")) assert_true(file_make_directory("build/fuzz"));
    if (!test_exists("build/dev/self")) put_self("build/dev/self");
    assert_runs("build/dev/self", options, status, part);
}

#define TRACE "linmem-trace 1\nh 16 1 64\na 0 100\na 1 13\nf 0\nf 1\n"

// A program that reports a wrong shift for every input, as the sanitizer does.
#define SHIFTS                                                                                     \
    "#!/bin/sh\n"                                                                                  \
    "echo '/src/linmem/alloc/strategies/fit/tlsf.c:88:7: runtime error: shift exponent 33 is too " \
    "large' >&2\nexit 1\n"

FOLDER_TEST(bad_input_is_bad_usage) {
    put("empty", "");
    put("bad.lmt", "linmem-trace 1\nf 7\n");
    assert_says("none", 2, "none: No such file");
    assert_says("empty", 2, "empty: is empty");
    assert_says("empty --target heap -a tlsf", 0, "nothing is broken: 1 operations");
    assert_says(".", 2, ".: Is a directory");
    assert_says("bad.lmt", 2, "bad.lmt: line 2");
    assert_says("bad.lmt --target hep", 2, "did you mean 'heap'?");
    put("good.lmt", TRACE);
    assert_says("good.lmt -o /proc/none", 2, "/proc/none");
    assert_says("good.lmt --shrink-seconds x", 2, "shrink-seconds must be");
}

// By content if its name does not say it; on standard input too.
FOLDER_TEST(an_input_is_known_by_its_content) {
    put("-odd name", TRACE);
    assert_says("-a tlsf -- '-odd name'", 0, "nothing is broken: 5 operations, 1 allocator");
    assert_says("-a tlsf - <'-odd name'", 0, "nothing is broken: 5 operations, 1 allocator");
}

// A finding of linmem fuzz is played by the program in its name.
FOLDER_TEST(a_finding_is_known_by_its_name) {
    put("build/fuzz/trace", "#!/bin/sh\necho 'linmem-fuzz: broken reader: x' >&2\nexit 1\n");
    put("trace-crash-0123", "any bytes");
    assert_says("trace-crash-0123", 1, "trace: broken reader: x");
    put("misuse-bump-timeout-0123", "any bytes");
    assert_says("misuse-bump-timeout-0123", 0, "1 allocator");
    assert_says("misuse-bump-timeout-0123 --target heap --allocator tlsf", 0, "1 allocator");
    assert_says("trace-crash-0123 --programs", 0, "program trace\n");
    assert_says("misuse-bump-timeout-0123 --programs", 0, "");
}

// A program that fails if the input is not short, so that shrinking takes several tries.
#define LONG                                                                                       \
    "linmem-trace 1\nh 16 1 64\na 0 100\na 1 13\na 2 9\na 3 50000\na 4 77\nf 0\nf 1\nf 2\n"        \
    "a 5 100\na 6 13\na 7 9\na 8 50000\na 9 77\nf 3\nf 4\nf 5\nf 6\nf 7\nf 8\nf 9\n"
#define FAILS_IF_LONG                                                                              \
    "[ $(wc -c </proc/self/fd/4) -lt 30 ] && exit 0\n"                                             \
    "echo 'x/alloc/a.c:8:7: runtime error: x' >&2\nexit 1\n"

// A failure that only the sanitizers show is named after the sanitizer.
FOLDER_TEST(a_sanitizers_finding_is_named_after_it) {
    put("build/fuzz/heap-tlsf", SHIFTS);
    put("x.lmt", TRACE);
    assert_says("x.lmt --allocator tlsf", 1,
                "tlsf, level 1, sanitizers: broken ubsan: alloc/strategies/fit/tlsf.c:88:7: shift");
    assert_true(test_exists("findings/ubsan-tlsf.lmt") && test_exists("findings/ubsan-tlsf.c"));
    assert_says("x.lmt --programs", 0, "program heap-tlsf\n");
}

// Another finding of the same law is not overwritten; the same one gets no second name.
FOLDER_TEST(findings_are_not_overwritten) {
    put("build/fuzz/heap-tlsf", SHIFTS);
    put("x.lmt", TRACE);
    put("findings/ubsan-tlsf.lmt", TRACE);
    assert_says("x.lmt --allocator tlsf", 1, "findings/ubsan-tlsf-2.lmt");
    assert_says("x.lmt --allocator tlsf", 1, "findings/ubsan-tlsf-2.lmt");
    assert_false(test_exists("findings/ubsan-tlsf-3.lmt"));
}

// An interrupt keeps the smallest trace so far, and no C program is written.
FOLDER_TEST(ctrl_c_keeps_the_smallest_so_far) {
    put("build/fuzz/heap-tlsf", "#!/bin/sh\necho >>tries\n"
                                "[ $(wc -l <tries) -lt 9 ] || kill -INT $PPID\n" FAILS_IF_LONG);
    put("x.lmt", LONG);
    assert_says("x.lmt --allocator tlsf", 1, "interrupted, so perhaps not the smallest");
    assert_true(test_exists("findings/ubsan-tlsf.lmt"));
    assert_false(test_exists("findings/ubsan-tlsf.c"));
}

FOLDER_TEST(the_limit_of_shrinking_is_reported) {
    put("build/fuzz/heap-tlsf", "#!/bin/sh\nsleep 0.2\n" FAILS_IF_LONG);
    put("x.lmt", LONG);
    assert_says("x.lmt --allocator tlsf --shrink-seconds 1", 1, "stopped after 1 s");
}

// ---- Traces of the explorer ---------------------------------------------------------------------

#define OPERATIONS "h 64 1 64\na 0 100\nr 0 200\nf 0\n"
#define EXPLORED   "linmem-trace 1\n# explored: tlsf, level 0\n" OPERATIONS

// The explorer's program plays its own traces, unless the command names a target.
FOLDER_TEST(the_explorer_plays_its_own_traces) {
    static const char *const rows[][3] = {
        {"linmem-trace 1\n" OPERATIONS, "", "allocators\n"},
        {"linmem-trace 1\n# explored: all\n" OPERATIONS, "", "allocators\n"},
        {"linmem-trace 1\n# explored: tlsf, level 4294967296\n" OPERATIONS, "", "allocators\n"},
        {EXPLORED, "--target heap", "allocators\n"},
        {EXPLORED, "", "explored, on tlsf"},
        {EXPLORED, "--allocator paged,scope",
         "explored, on paged\nnothing is broken: 4 "
         "operations, explored, on scope"},
        {"linmem-trace 1\n# explored: buffers:queued, level 1\nb 0 24\n- 0\n", "",
         "explored, on buffers:queued"},
    };
    char *explorer = child_beside("linmem-explorer");
    assert_true(file_make_directory("build/dev"));
    assert_int_equal(symlink(explorer, "build/dev/linmem-explorer"), 0);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        put("x.lmt", rows[i][0]);
        char *options = text_format("x.lmt %s", rows[i][1]);
        assert_says(options, EXIT_PASSED, rows[i][2]);
        free(options);
    }
    put("x.lmt", "no trace");
    assert_says("x.lmt", EXIT_USAGE, "x.lmt: byte 0");
    free(explorer);
}

FOLDER_TEST(a_violation_of_the_explorer_is_a_failure) {
    static const struct {
        const char *plays;
        exit_status status;
    } rows[] = {
        {"echo '{\"violations\":[{\"law\":\"walk\",\"how\":\"x\"}]}' >&3; exit 1", EXIT_FAILED},
        {"echo '{\"violations\":[],\"moves\":4}' >&3", EXIT_PASSED},
        {"exit 2", EXIT_USAGE},
    };
    put("x.lmt", EXPLORED);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char *script = text_format("#!/bin/sh\n[ \"$*\" = 'tlsf --play x.lmt' ] || exit 3\n%s\n",
                                   rows[i].plays);
        put("build/dev/linmem-explorer", script);
        assert_says("x.lmt", (int)rows[i].status, "");
        free(script);
    }
}

int main(int argc, char **argv) {
    if (argc > 1) return (int)reproduce_command(argc, argv);
    return cmocka_run_group_tests(test_list, NULL, NULL);
}
