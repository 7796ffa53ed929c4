// linmem trace: exit statuses, messages, and what is left on the disk.
#include "corpus/trace/trace_command.h"

#include "cli/test.h"

#include <limits.h>

#define GOOD "linmem-trace 1\n# a comment\na 0 100\nz 1 50 64\nf 0\nr 1 20\ne\nf 1\n"

static char root[PATH_MAX]; // of the source tree

static int run_trace(void *argv) {
    int argc = 0;
    while (((char **)argv)[argc])
        argc++;
    exit((int)trace_command(argc, argv));
}

// Runs `linmem trace ARGUMENTS…` in a child and returns its status.
#define RUN(...) test_run(run_trace, (const char *[]){"linmem trace", __VA_ARGS__, NULL})

TEST(good_files_pass_and_bad_ones_get_a_line) {
    assert_int_equal(RUN("check", "good.lmt"), 0);
    assert_int_equal(RUN("check", "good.lmt", "bad.lmt", "good.lmt"), 2);
    assert_output("linmem trace: bad.lmt: line 3: ");
}

TEST(conversion_is_without_loss) {
    assert_int_equal(RUN("convert", "good.lmt", "good.lmt.zst"), 0);
    assert_int_equal(RUN("convert", "good.lmt.zst", "back.lmt"), 0);
    assert_file("back.lmt", GOOD);
}

TEST(nothing_is_half_written) {
    test_write("back.lmt", "mine");
    assert_int_equal(RUN("convert", "bad.lmt", "back.lmt"), 2);
    assert_file("back.lmt", "mine");
    assert_int_equal(RUN("convert", "good.lmt", "/nowhere/at/all.lmt"), 2);
    assert_int_equal(RUN("convert", "good.lmt", "good.lmt"), 0); // onto itself
    assert_int_equal(RUN("check", "good.lmt"), 0);
}

TEST(stat_counts) {
    assert_int_equal(RUN("stat", "good.lmt"), 0);
    assert_output("peak live bytes");
    assert_output("150\n"); // 100 + 50
    for (char *line = strtok(test_output, "\n"); line; line = strtok(NULL, "\n"))
        assert_in_range(strlen(line), 0, 80);
    assert_int_equal(RUN("stat", "--json", "good.lmt"), 0);
    assert_true(test_output[0] == '[' || test_output[0] == '{');
}

TEST(the_nearest_name_is_suggested) {
    assert_int_equal(RUN("chekc", "good.lmt"), 2);
    assert_output("check");
    assert_int_equal(RUN("stat", "--jsno", "good.lmt"), 2);
    assert_output("--json");
    assert_int_equal(RUN("convert", "good.lmt"), 2);
    assert_int_equal(RUN(NULL), 2);
}

// "-" is standard input for what is read, and standard output, as text, for what is written.
TEST(a_dash_is_a_standard_stream) {
    int input = dup(STDIN_FILENO);
    static const struct {
        const char *action, *second, *says;
    } rows[] = {
        {"check", NULL, "-: 6 operations, 2 blocks: valid\n"},
        {"stat", NULL, "operations "},
        {"convert", "-", "linmem-trace 1\n# a comment\na 0 100\n"},
    };
    for (size_t i = 0; i < ITEMS(rows); i++) {
        assert_non_null(freopen("good.lmt", "r", stdin));
        assert_int_equal(RUN(rows[i].action, "-", rows[i].second), 0);
        assert_output(rows[i].says);
    }
    assert_non_null(freopen("/dev/null", "r", stdin));
    assert_int_equal(RUN("check", "-"), 2);
    assert_output("-: byte 0: the input is empty");
    dup2(input, STDIN_FILENO);
    close(input);
}

// A path may have any bytes; the output is printable.
TEST(odd_paths_are_escaped) {
    static const char odd[] = "./caf\xe9\033[31m.lmt";
    assert_int_equal(rename("good.lmt", odd), 0);
    assert_int_equal(RUN("check", odd), 0);
    assert_output("/caf\\xe9\\x1b[31m.lmt: 6 operations");
    assert_int_equal(RUN("stat", "--json", odd), 0);
    assert_output("/caf\\\\xe9\\u001B[31m.lmt\"");
    assert_int_equal(rename(odd, "good.lmt"), 0);
    assert_int_equal(RUN("check", odd), 2);
    assert_output("/caf\\xe9\\x1b[31m.lmt: No such file or directory\n");
}

TEST(options_override_the_description) {
    char description[PATH_MAX];
    snprintf(description, sizeof description, "%s/corpus/synthetic/uniform_small.json", root);
    assert_int_equal(RUN("generate", description, "-o", "back.lmt", "--operations", "5000",
                         "--live-bytes", "1000", "--seed", "9"),
                     0);
    assert_int_equal(RUN("stat", "back.lmt"), 0);
    unsigned long long operations = 0, peak = 0;
    sscanf(strstr(test_output, "operations"), "operations %llu", &operations);
    sscanf(strstr(test_output, "peak live bytes"), "peak live bytes %llu", &peak);
    assert_in_range(operations, 5000, 5100); // with those that close the trace
    assert_in_range(peak, 800, 1000);
}

static int make_folder(void **state) {
    if (!getcwd(root, sizeof root) || test_enter_folder(state) != 0) return -1;
    test_write("good.lmt", GOOD);
    test_write("bad.lmt", "linmem-trace 1\na 0 100\nf 1\nf 0\n");
    return 0;
}

static int remove_folder(void **state) {
    static const char *const paths[] = {"good.lmt", "bad.lmt", "good.lmt.zst", "back.lmt"};
    for (size_t i = 0; i < ITEMS(paths); i++)
        unlink(paths[i]);
    return rmdir(test_folder); // fails if a temporary was left behind
}

TEST_MAIN(make_folder, remove_folder)
