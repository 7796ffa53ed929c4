// Tests of linmem compare: file names of any bytes, folders that cannot be written, closed streams,
// signals, processes that hang. compare_files_test LINMEM: the command.
#include "bench/compare_fixture.h"

static void write_trace(const char *name, const char *comment) {
    FILE *file = fopen(name, "w");
    assert_non_null(file);
    fprintf(file, "linmem-trace 1\n%s", comment);
    for (int i = 0; i < 400; i++)
        fprintf(file, "a %d %d\n", i, 1 + i % 300);
    for (int i = 0; i < 400; i++)
        fprintf(file, "f %d\n", i);
    assert_int_equal(fclose(file), 0);
}

static void assert_printable(const char *text) {
    for (const char *line = text; *line; line += strcspn(line, "\n") + 1) {
        char *one = text_format("%.*s", (int)strcspn(line, "\n"), line);
        char *printable = text_printable(one);
        assert_string_equal(printable, one);
        free(printable);
        free(one);
        if (!strchr(line, '\n')) break;
    }
}

// Names of traces, which are also written to their comments.
static const char *const hostile[] = {
    "caf\xe9",
    "cut\xd0",
    "\xff\xfe",
    "pi|pe",
    "back`ti``cks",
    "new\nline",
    "tab\there",
    "\x1b[31mred\x1b[2J",
    "\23331m",
    "\u202egnp",
    "漢字漢字漢字",
    "😀\u200b",
    "-rf",
    "--help",
    "- item",
    "# heading",
    "1. one",
    "*star* _under_ [link](x) <b>&amp;",
    "\\",
    "' or \"",
    "$(touch owned)",
    "%s%n",
    "geometric mean",
    "a,b",
    " space ",
    "tlsf",
    "tlsf+3%",
    "ЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖ",
    "nul\x01\x7f",
};
enum { HOSTILE = ITEMS(hostile) };

// Returns the hostile names as a list for --workloads: a comma is escaped.
static char *hostile_list(void) {
    char *list = text_format("%s", "");
    for (size_t i = 0; i < HOSTILE; i++) {
        const char *comma = strchr(hostile[i], ',');
        int before = comma ? (int)(comma - hostile[i]) : (int)strlen(hostile[i]);
        char *longer = text_format("%s%s./%.*s%s%s.lmt", list, i ? "," : "", before, hostile[i],
                                   comma ? "\\," : "", comma ? comma + 1 : "");
        free(list);
        list = longer;
    }
    return list;
}

// All of them in one comparison: every cell is kept, under a name of its own.
COMPARE_TEST(hostile_names_lose_nothing) {
    for (size_t i = 0; i < HOSTILE; i++) {
        char *name = text_format("%s.lmt", hostile[i]);
        char *comment = text_format("# note: %.*s\n", (int)strcspn(hostile[i], "\n"), hostile[i]);
        write_trace(name, comment);
        free(comment);
        free(name);
    }
    char *list = hostile_list();
    setenv("LIST", list, 1);
    assert_int_equal(compare("--allocators tlsf --blocks 1 --workloads \"$LIST\""), 0);
    free(list);
    assert_printable(test_output);
    read_results();
    json_t *workloads = get(get(results, "context"), "workloads"), *entry;
    assert_int_equal(json_array_size(workloads), HOSTILE);
    assert_int_equal(json_array_size(get(results, "cells")), HOSTILE * 3 * 2);
    size_t i;
    json_array_foreach(get(results, "cells"), i, entry) {
        assert_string_equal(text(entry, "status"), "ok");
        assert_true(json_is_real(median(entry)));
    }
    for (i = 0; i < HOSTILE; i++)
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(text(json_array_get(workloads, i), "name"),
                                    text(json_array_get(workloads, j), "name"));
    assert_printable(test_read("out/report.md"));
    assert_int_equal(access("owned", F_OK), -1);
}

// The command in the report can be pasted into a shell and does the same again.
COMPARE_TEST(the_command_can_be_pasted) {
    static const char name[] = "it's $(touch owned) caf\xe9`.lmt";
    write_trace(name, "");
    setenv("NAME", name, 1);
    assert_int_equal(compare("--allocators tlsf --blocks 1 --workloads \"$NAME\""), 0);
    read_results();
    char *command = text_format("%s", text(get(results, "context"), "command"));
    assert_non_null(strstr(test_read("out/report.md"), command));
    assert_int_equal(strncmp(command, "linmem compare ", 15), 0);
    clear_out(state);
    setenv("REST", command + strlen("linmem "), 1);
    assert_int_equal(shell("bash -c 'eval \"\\\"\\$LINMEM\\\" $REST\"'"), 0);
    read_results();
    assert_string_equal(command, text(get(results, "context"), "command"));
    free(command);
    assert_int_equal(access("owned", F_OK), -1);
}

COMPARE_TEST(two_files_of_a_name_are_told_apart) {
    assert_int_equal(mkdir("old", 0700) | mkdir("new", 0700), 0);
    write_trace("old/run.lmt", "");
    write_trace("new/run.lmt", "");
    assert_int_equal(
        compare("--allocators tlsf --blocks 1 --workloads ' old/run.lmt, new/run.lmt '"), 0);
    read_results();
    const json_t *workloads = get(get(results, "context"), "workloads");
    assert_string_equal(text(json_array_get(workloads, 0), "name"), "old/run.lmt");
    assert_string_equal(text(json_array_get(workloads, 1), "name"), "new/run.lmt");
    assert_int_equal(compare("--allocators tlsf --workloads old/run.lmt,old/run.lmt"), 2);
    assert_output("'old/run.lmt' is named twice");
}

COMPARE_TEST(a_dash_is_standard_input_and_output) {
    assert_int_equal(compare("--out - --allocators tlsf --blocks 1 --workloads - <small.lmt "
                             ">json 2>table"),
                     0);
    assert_string_equal(test_output, "");
    json_decref(results);
    results = json_loads(test_read("json"), 0, NULL);
    assert_string_equal(text(find_cell("tlsf", "warm"), "workload"), "standard input");
    assert_non_null(strstr(test_read("table"), "Warm: speed relative to"));
    assert_int_equal(compare("--workloads - </dev/null"), 2);
    assert_output("-: byte 0: the input is empty");
    assert_int_equal(compare("--workloads - <&-"), 2);
    assert_output("Bad file descriptor");
}

// Each run makes a folder of its own and names it in the last line.
COMPARE_TEST(the_default_folder_is_a_new_one) {
    for (int i = 0; i < 3; i++) {
        assert_int_equal(
            shell("\"$LINMEM\" compare --allocators tlsf --blocks 1 --workloads small.lmt"), 0);
        char *named = strstr(test_output, "linmem-results/"),
             *end = named ? strchr(named, ',') : NULL;
        assert_non_null(end);
        *end = '\0';
        assert_non_null(strstr(test_read(named), "Allocators compared"));
    }
    assert_int_equal(shell("ls linmem-results | wc -l"), 0);
    assert_int_equal(atoi(test_output), 3);
    assert_int_equal(shell("rm -r linmem-results; >linmem-results; \"$LINMEM\" compare "
                           "--allocators tlsf --workloads small.lmt"),
                     2);
    assert_output("linmem-results: Not a directory; choose another folder with --out");
}

// Each is reported before anything is measured.
COMPARE_TEST(a_folder_that_cannot_be_written_is_reported_first) {
    static const struct {
        const char *before, *message;
    } rows[] = {
        {"mkdir -p out/results.json", "out/results.json: Is a directory"},
        {"mkdir -p out; ln -s /dev/full out/results.json",
         "out/results.json: No space left on device"},
        {"mkdir -p out; ln -s /dev/full out/report.md", "out/report.md: No space left on device"},
        {"ulimit -f 1", ": File too large"},
        {">out", "out: Not a directory"},
        {"mkdir -p out; exec 8<out; flock 8", "out: another comparison is writing there"},
    };
    for (size_t i = 0; i < ITEMS(rows); i++) {
        assert_int_equal(shell("rm -rf out; %s; \"$LINMEM\" compare --out out --allocators tlsf "
                               "--workloads small.lmt",
                               rows[i].before),
                         2);
        assert_output(rows[i].message);
        assert_null(strstr(test_output, "Warm"));
        assert_int_equal(shell("find . -name '*.part'"), 0);
        assert_string_equal(test_output, "");
    }
}

// If the folder fails at the end, the table is printed and the files are written elsewhere.
COMPARE_TEST(results_are_kept_if_their_folder_fails) {
    for (int fallback = 0; fallback < 2; fallback++) {
        setenv("TMPDIR", fallback ? "." : "/nowhere", 1);
        pid_t pid = begin("--workloads small.lmt --allocators floor,ideal --blocks 1000");
        await_child(pid, 0);
        assert_int_equal(rmdir("out"), 0);
        kill(pid, SIGINT);
        assert_int_equal(test_finish(pid), 2);
        unsetenv("TMPDIR");
        assert_output("Warm: speed relative to");
        assert_output("out: No such file or directory; ");
        assert_output(fallback ? "written to " : "follows on standard output");
        if (!fallback) {
            assert_output("\"format\": \"linmem-results\"");
            continue;
        }
        assert_int_equal(shell("cat linmem-results-*/results.json linmem-results-*/report.md"), 0);
        assert_output("\"format\": \"linmem-results\"");
        assert_output("## Interrupted");
        assert_int_equal(shell("rm -r linmem-results-*"), 0);
    }
}

// The files are complete even if the table cannot be printed.
COMPARE_TEST(a_failed_standard_output_loses_no_results) {
    static const struct {
        const char *to;
        int status;
    } rows[] = {{">/dev/full", 2}, {">&-", 2}, {"| true", 141}};
    for (size_t i = 0; i < ITEMS(rows); i++) {
        assert_int_equal(
            shell("bash -c '\"$LINMEM\" compare --out out --allocators tlsf --blocks 1 "
                  "--workloads small.lmt %s; exit ${PIPESTATUS[0]}'",
                  rows[i].to),
            rows[i].status);
        read_results();
        assert_string_equal(status_of("tlsf"), "ok");
        assert_non_null(strstr(test_read("out/report.md"), "## Environment"));
        clear_out(state);
    }
}

// A stopped process simulates an allocator that does not return.
COMPARE_TEST(a_cell_that_hangs_is_reported_and_the_rest_is_measured) {
    pid_t pid = begin("--workloads small.lmt --allocators tlsf,buddy --blocks 1 --cell-seconds 4");
    kill(await_child(pid, 0), SIGSTOP);
    assert_int_equal(test_finish(pid), 1);
    read_results();
    bool first = strcmp(status_of("tlsf"), "ok") != 0;
    assert_non_null(strstr(status_of(first ? "tlsf" : "buddy"),
                           "timed out after 4 s (raise the limit with --cell-seconds)"));
    assert_string_equal(status_of(first ? "buddy" : "tlsf"), "ok");
    assert_string_equal(status_of("ideal"), "ok");
}

// Verifications run in parallel and are waited for one after the other. The limit of each begins
// when it starts, so the second of two that hang ends with the first.
COMPARE_TEST(a_time_limit_begins_with_its_process) {
    if (sysconf(_SC_NPROCESSORS_ONLN) < 2) skip(); // they would not run in parallel
    pid_t pid = begin("--workloads small.lmt --allocators tlsf,buddy --blocks 1 --cell-seconds 8");
    pid_t first = await_child(pid, 0);
    kill(first, SIGSTOP);
    pid_t second = await_child(pid, first);
    kill(second, SIGSTOP);
    while (kill(first, 0) == 0 && kill(second, 0) == 0)
        usleep(10000);
    sleep(2); // well below the limit
    kill(first, SIGCONT);
    kill(second, SIGCONT);
    assert_int_equal(test_finish(pid), 1);
    read_results();
    assert_non_null(strstr(status_of("tlsf"), "verification: timed out after 8 s"));
    assert_non_null(strstr(status_of("buddy"), "verification: timed out after 8 s"));
}

COMPARE_TEST(an_interrupted_cell_is_reported) {
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
    for (size_t i = 0; i < ITEMS(signals); i++) {
        pid_t pid = begin("--workloads small.lmt --allocators floor,ideal --blocks 1");
        kill(await_child(pid, 0), SIGSTOP); // ideal is verified first
        kill(pid, signals[i]);
        assert_int_equal(test_finish(pid), 1);
        read_results();
        assert_non_null(strstr(status_of("ideal"), "verification: interrupted after "));
        assert_string_equal(status_of("floor"), "not run: interrupted");
        char *report = test_read("out/report.md");
        assert_non_null(strstr(report, "## Interrupted before the first block"));
        assert_non_null(strstr(report, "ideal on small: verification: interrupted after "));
        assert_int_equal(other_child_of(pid, 0), 0);
        clear_out(state);
    }
}

COMPARE_TEST(a_runner_that_is_missing_or_wrong_is_reported) {
    static const char measure[] = "moved/linmem compare --workloads small.lmt --allocators tlsf";
    assert_int_equal(
        shell("mkdir -p moved && cp \"$LINMEM\" moved/linmem && %s --out out", measure), 2);
    assert_output("moved/linmem-runner: No such file or directory");
    assert_int_equal(shell("rm -rf linmem-results; %s; ls linmem-results", measure), 2);
    assert_output("cannot access 'linmem-results'");
    assert_int_equal(shell("cp /bin/true moved/linmem-runner; %s --out out", measure), 1);
    assert_output("linmem-runner produced no result");
}

COMPARE_TEST(odd_environments_change_nothing) {
    static const char *const rows[] = {
        "env -i \"MALLOC_$(printf %0400d 0)=1\"", "env -i",
        "env COLUMNS=20 LC_ALL=de_DE.UTF-8 TZ=Nowhere/At_All NO_COLOR=1 TERM=xterm",
        "env -i LD_PRELOAD= MALLOC_=x GLIBC_TUNABLES=glibc.malloc.check=3"};
    for (size_t i = 0; i < ITEMS(rows); i++) {
        assert_int_equal(shell("%s \"$LINMEM\" compare --out out --workloads small.lmt "
                               "--allocators tlsf --blocks 1",
                               rows[i]),
                         0);
        read_results();
        assert_string_equal(status_of("tlsf"), "ok");
        clear_out(state);
    }
}

int main(int argc, char **argv) {
    if (argc != 2) return 2;
    linmem = realpath(argv[1], NULL);
    int failed = cmocka_run_group_tests(test_list, make_folder, remove_folder);
    free(linmem);
    return failed;
}
