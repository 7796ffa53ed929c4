// linmem trace as people use it: statuses, messages, and what is left on the disk.
#include "alloc/cmocka.h"
#include "corpus/trace/trace_command.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char folder[] = "/tmp/linmem-trace-XXXXXX";
static char good[64], bad[64], packed[64], back[64], said_path[64], said[8192];

static void write_file(const char *path, const char *text) {
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void read_file(const char *path, char *text, size_t bytes) {
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    text[fread(text, 1, bytes - 1, file)] = '\0';
    fclose(file);
}

// Runs `linmem trace ARGUMENTS…` in a child and returns its status; `said` is what it printed.
static int run_with(const char **argv) {
    int argc = 0;
    while (argv[argc])
        argc++;
    pid_t pid = fork();
    if (pid == 0) {
        if (!freopen(said_path, "w", stderr) || dup2(2, 1) < 0) _exit(99);
        exit((int)trace_command(argc, (char **)(uintptr_t)argv));
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    read_file(said_path, said, sizeof said);
    return WEXITSTATUS(status);
}

static int run(const char *first, const char *second, const char *third, const char *fourth) {
    const char *argv[] = {"linmem trace", first, second, third, fourth, NULL};
    return run_with(argv);
}

static void good_files_pass_and_bad_ones_get_a_line(void **state) {
    assert_int_equal(run("check", good, NULL, NULL), 0);
    assert_int_equal(run("check", good, bad, good), 2);
    char line[160];
    snprintf(line, sizeof line, "linmem trace: %s: line 3: ", bad);
    assert_non_null(strstr(said, line));
}

static void conversion_is_without_loss(void **state) {
    char before[256], after[256];
    assert_int_equal(run("convert", good, packed, NULL), 0);
    assert_int_equal(run("convert", packed, back, NULL), 0);
    read_file(good, before, sizeof before);
    read_file(back, after, sizeof after);
    assert_string_equal(before, after);
}

static void nothing_is_half_written(void **state) {
    write_file(back, "mine");
    assert_int_equal(run("convert", bad, back, NULL), 2);
    char text[16];
    read_file(back, text, sizeof text);
    assert_string_equal(text, "mine");
    assert_int_equal(run("convert", good, "/nowhere/at/all.lmt", NULL), 2);
    assert_int_equal(run("convert", good, good, NULL), 0); // onto itself
    assert_int_equal(run("check", good, NULL, NULL), 0);
}

static void stat_counts(void **state) {
    assert_int_equal(run("stat", good, NULL, NULL), 0);
    assert_non_null(strstr(said, "peak live bytes"));
    assert_non_null(strstr(said, "150\n")); // 100 + 50
    for (char *line = strtok(said, "\n"); line; line = strtok(NULL, "\n"))
        assert_in_range(strlen(line), 0, 80);
    assert_int_equal(run("stat", "--json", good, NULL), 0);
    assert_true(said[0] == '[' || said[0] == '{');
}

static void what_was_meant_is_named(void **state) {
    assert_int_equal(run("chekc", good, NULL, NULL), 2);
    assert_non_null(strstr(said, "check"));
    assert_int_equal(run("stat", "--jsno", good, NULL), 2);
    assert_non_null(strstr(said, "--json"));
    assert_int_equal(run("convert", good, NULL, NULL), 2);
    assert_int_equal(run(NULL, NULL, NULL, NULL), 2);
}

// "-" is standard input for what is read, and standard output, as text, for what is written.
static void a_dash_is_a_standard_stream(void **state) {
    int input = dup(STDIN_FILENO);
    static const struct {
        const char *action, *second, *says;
    } rows[] = {
        {"check", NULL, "-: 6 operations, 2 blocks: valid\n"},
        {"stat", NULL, "operations "},
        {"convert", "-", "linmem-trace 1\n# a comment\na 0 100\n"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_non_null(freopen(good, "r", stdin));
        assert_int_equal(run(rows[i].action, "-", rows[i].second, NULL), 0);
        if (!strstr(said, rows[i].says)) fail_msg("%s: '%s'", rows[i].action, said);
    }
    assert_non_null(freopen("/dev/null", "r", stdin));
    assert_int_equal(run("check", "-", NULL, NULL), 2);
    assert_non_null(strstr(said, "-: byte 0: it is empty"));
    dup2(input, STDIN_FILENO);
    close(input);
}

// A path of any bytes is told, and commands no terminal.
static void odd_paths_are_shown(void **state) {
    char odd[80];
    snprintf(odd, sizeof odd, "%s/caf\xe9\033[31m.lmt", folder);
    assert_int_equal(rename(good, odd), 0);
    int checked = run("check", odd, NULL, NULL);
    char *shown = strstr(said, "/caf\\xe9\\x1b[31m.lmt: 6 operations");
    int told = run("stat", "--json", odd, NULL);
    char *file = strstr(said, "/caf\\\\xe9\\u001B[31m.lmt\"");
    assert_int_equal(rename(odd, good), 0);
    assert_int_equal(checked, 0);
    assert_int_equal(told, 0);
    assert_non_null(shown);
    assert_non_null(file);
    assert_int_equal(run("check", odd, NULL, NULL), 2);
    assert_non_null(strstr(said, "/caf\\xe9\\x1b[31m.lmt: No such file or directory\n"));
}

// What the command says goes before the description.
static void a_description_is_overruled(void **state) {
    const char *argv[] = {"linmem trace",
                          "generate",
                          "corpus/synthetic/uniform_small.json",
                          "-o",
                          back,
                          "--operations",
                          "5000",
                          "--live-bytes",
                          "1000",
                          "--seed",
                          "9",
                          NULL};
    assert_int_equal(run_with(argv), 0);
    assert_int_equal(run("stat", back, NULL, NULL), 0);
    unsigned long long operations = 0, peak = 0;
    assert_int_equal(sscanf(strstr(said, "operations"), "operations %llu", &operations), 1);
    assert_int_equal(sscanf(strstr(said, "peak live bytes"), "peak live bytes %llu", &peak), 1);
    assert_in_range(operations, 5000, 5100); // those that close it beside
    assert_in_range(peak, 800, 1000);
}

static int make_folder(void **state) {
    if (!mkdtemp(folder)) return -1;
    snprintf(good, sizeof good, "%s/good.lmt", folder);
    snprintf(bad, sizeof bad, "%s/bad.lmt", folder);
    snprintf(packed, sizeof packed, "%s/good.lmt.zst", folder);
    snprintf(back, sizeof back, "%s/back.lmt", folder);
    snprintf(said_path, sizeof said_path, "%s/said", folder);
    write_file(good, "linmem-trace 1\n# a comment\na 0 100\nz 1 50 64\nf 0\nr 1 20\ne\nf 1\n");
    write_file(bad, "linmem-trace 1\na 0 100\nf 1\nf 0\n");
    return 0;
}

static int remove_folder(void **state) {
    const char *const paths[] = {good, bad, packed, back, said_path};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
        unlink(paths[i]);
    return rmdir(folder); // fails where a temporary was left behind
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_files_pass_and_bad_ones_get_a_line),
        cmocka_unit_test(conversion_is_without_loss),
        cmocka_unit_test(nothing_is_half_written),
        cmocka_unit_test(stat_counts),
        cmocka_unit_test(what_was_meant_is_named),
        cmocka_unit_test(a_dash_is_a_standard_stream),
        cmocka_unit_test(odd_paths_are_shown),
        cmocka_unit_test(a_description_is_overruled),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
