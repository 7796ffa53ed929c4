// linmem compare at its rim: names of any bytes, folders that fail, streams that are closed,
// signals, processes that hang. compare_files_test LINMEM: the command.
#include "bench/compare_fixture.h"
#include "cli/text.h"

#include <errno.h>
#include <sys/file.h>
#include <time.h>

// Runs a line of the shell in the folder, with the command as $LINMEM; `said` is what it printed.
// Returns its exit status, as a shell has it.
__attribute__((format(printf, 1, 2))) static int shell(const char *format, ...) {
    char *line, *command;
    va_list arguments;
    va_start(arguments, format);
    assert_true(vasprintf(&line, format, arguments) >= 0);
    va_end(arguments);
    assert_true(asprintf(&command, "cd '%s' && { %s\n} >'%s' 2>&1", folder, line, said_path) > 0);
    setenv("LINMEM", linmem, 1);
    int status = system(command);
    free(command);
    free(line);
    FILE *file = fopen(said_path, "r");
    assert_non_null(file);
    said[fread(said, 1, sizeof said - 1, file)] = '\0';
    fclose(file);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static char *in_folder(const char *name) {
    static char path[5000];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static void write_trace(const char *name, const char *comment, int blocks) {
    FILE *file = fopen(in_folder(name), "w");
    assert_non_null(file);
    fprintf(file, "linmem-trace 1\n%s", comment);
    for (int i = 0; i < blocks; i++)
        fprintf(file, "a %d %d\n", i, 1 + i % 300);
    for (int i = 0; i < blocks; i++)
        fprintf(file, "f %d\n", i);
    assert_int_equal(fclose(file), 0);
}

static char *content(const char *name) {
    static char text[1 << 16];
    FILE *file = fopen(in_folder(name), "r");
    if (!file) fail_msg("no %s; it said: %s", name, said);
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    return text;
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

// How many columns each row of a Markdown table has: of '|' that are not escaped.
static void assert_tables_are_whole(const char *markdown) {
    size_t in_table = 0;
    for (const char *line = markdown; *line; line += strcspn(line, "\n") + 1) {
        size_t bars = 0, length = strcspn(line, "\n");
        for (size_t i = 0; i < length; i++)
            bars += line[i] == '|' && (i == 0 || line[i - 1] != '\\');
        if (line[0] != '|') bars = 0;
        if (bars && in_table) assert_int_equal(bars, in_table);
        in_table = bars;
    }
}

// What a user may call a file, and put into its first line.
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
enum { HOSTILE = sizeof hostile / sizeof *hostile };

// The hostile names as one list: a comma is escaped.
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

// All of them at once: every cell is kept, under a name of its own.
static void hostile_names_lose_nothing(void **state) {
    (void)state;
    for (size_t i = 0; i < HOSTILE; i++) {
        char *name = text_format("%s.lmt", hostile[i]);
        char *comment = text_format("# note: %.*s\n", (int)strcspn(hostile[i], "\n"), hostile[i]);
        write_trace(name, comment, 400);
        free(comment);
        free(name);
    }
    char *list = hostile_list();
    setenv("LIST", list, 1);
    assert_int_equal(shell("\"$LINMEM\" compare --out out --allocators tlsf --blocks 1 "
                           "--workloads \"$LIST\""),
                     0);
    free(list);
    assert_printable(said);
    json_t *json = results(), *context = json_object_get(json, "context"), *entry;
    json_t *workloads = json_object_get(context, "workloads");
    assert_int_equal(json_array_size(workloads), HOSTILE);
    assert_int_equal(json_array_size(json_object_get(json, "cells")), HOSTILE * 3 * 2);
    size_t i;
    json_array_foreach(json_object_get(json, "cells"), i, entry) {
        assert_string_equal(text(entry, "status"), "ok");
        assert_true(json_is_real(median(entry)));
    }
    for (i = 0; i < HOSTILE; i++)
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(text(json_array_get(workloads, i), "name"),
                                    text(json_array_get(workloads, j), "name"));
    json_decref(json);
    assert_printable(content("out/report.md"));
    assert_tables_are_whole(content("out/report.md"));
    assert_int_equal(access(in_folder("owned"), F_OK), -1);
}

// The command in the report is the command: typed again, it does the same.
static void the_command_can_be_pasted(void **state) {
    static const char name[] = "it's $(touch owned) caf\xe9`.lmt";
    write_trace(name, "", 400);
    setenv("NAME", name, 1);
    assert_int_equal(shell("\"$LINMEM\" compare --out out --allocators tlsf --blocks 1 "
                           "--workloads \"$NAME\""),
                     0);
    json_t *json = results();
    char *command = text_format("%s", text(json_object_get(json, "context"), "command"));
    json_decref(json);
    assert_non_null(strstr(content("out/report.md"), command));
    assert_int_equal(strncmp(command, "linmem compare ", 15), 0);
    clear_out(state);
    setenv("REST", command + strlen("linmem "), 1);
    assert_int_equal(shell("bash -c 'eval \"\\\"\\$LINMEM\\\" $REST\"'"), 0);
    json = results();
    assert_string_equal(command, text(json_object_get(json, "context"), "command"));
    json_decref(json);
    free(command);
    assert_int_equal(access(in_folder("owned"), F_OK), -1);
}

static void two_files_of_a_name_are_told_apart(void **state) {
    (void)state;
    assert_int_equal(mkdir(in_folder("old"), 0700) | mkdir(in_folder("new"), 0700), 0);
    write_trace("old/run.lmt", "", 400);
    write_trace("new/run.lmt", "", 400);
    assert_int_equal(shell("\"$LINMEM\" compare --out out --allocators tlsf --blocks 1 "
                           "--workloads ' old/run.lmt, new/run.lmt '"),
                     0);
    json_t *json = results(), *workloads;
    workloads = json_object_get(json_object_get(json, "context"), "workloads");
    assert_string_equal(text(json_array_get(workloads, 0), "name"), "old/run.lmt");
    assert_string_equal(text(json_array_get(workloads, 1), "name"), "new/run.lmt");
    json_decref(json);
    assert_int_equal(shell("\"$LINMEM\" compare --allocators tlsf --workloads "
                           "old/run.lmt,old/run.lmt"),
                     2);
    assert_non_null(strstr(said, "'old/run.lmt' is named twice"));
}

static void a_dash_is_standard_input_and_output(void **state) {
    (void)state;
    assert_int_equal(shell("\"$LINMEM\" compare --out - --allocators tlsf --blocks 1 --workloads - "
                           "<small.lmt >json 2>table"),
                     0);
    assert_string_equal(said, "");
    json_t *json = json_loads(content("json"), 0, NULL);
    assert_string_equal(text(find_cell(json, "tlsf", "warm"), "workload"), "standard input");
    json_decref(json);
    assert_non_null(strstr(content("table"), "Warm: speed relative to"));
    assert_int_equal(shell("\"$LINMEM\" compare --workloads - </dev/null"), 2);
    assert_non_null(strstr(said, "-: byte 0: it is empty"));
    assert_int_equal(shell("\"$LINMEM\" compare --workloads - <&-"), 2);
    assert_non_null(strstr(said, "Bad file descriptor"));
}

// A folder of its own for each run, which the last line names.
static void the_default_folder_is_a_new_one(void **state) {
    (void)state;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(shell("\"$LINMEM\" compare --allocators tlsf --blocks 1 --workloads "
                               "small.lmt"),
                         0);
        char *named = strstr(said, "linmem-results/"), *end = named ? strchr(named, ',') : NULL;
        assert_non_null(end);
        *end = '\0';
        assert_non_null(strstr(content(named), "Allocators compared"));
    }
    assert_int_equal(shell("ls linmem-results | wc -l"), 0);
    assert_int_equal(atoi(said), 3);
    assert_int_equal(shell("rm -r linmem-results; >linmem-results; \"$LINMEM\" compare "
                           "--allocators tlsf --workloads small.lmt"),
                     2);
    assert_non_null(strstr(said, "linmem-results: Not a directory; --out names another place"));
}

// Each said before anything is measured.
static void a_folder_that_cannot_be_written_is_told_first(void **state) {
    (void)state;
    static const struct {
        const char *before, *says;
    } rows[] = {
        {"mkdir -p out/results.json", "out/results.json: Is a directory"},
        {"mkdir -p out; ln -s /dev/full out/results.json",
         "out/results.json: No space left on device"},
        {"mkdir -p out; ln -s /dev/full out/report.md", "out/report.md: No space left on device"},
        {"ulimit -f 1", ": File too large"},
        {">out", "out: Not a directory"},
        {"mkdir -p out; exec 8<out; flock 8", "out: another comparison writes there"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_int_equal(shell("rm -rf out; %s; \"$LINMEM\" compare --out out --allocators tlsf "
                               "--workloads small.lmt",
                               rows[i].before),
                         2);
        if (!strstr(said, rows[i].says)) fail_msg("%s: '%s'", rows[i].before, said);
        assert_null(strstr(said, "Warm"));
        assert_int_equal(shell("find . -name '*.part'"), 0);
        assert_string_equal(said, "");
    }
}

// The folder fails when all is measured: the table is there, and the files are elsewhere.
static void what_was_measured_outlives_its_folder(void **state) {
    (void)state;
    for (int fallback = 0; fallback < 2; fallback++) {
        setenv("TMPDIR", fallback ? in_folder("") : "/nowhere", 1);
        pid_t pid =
            begin("--workloads", trace, "--allocators", "floor,ideal", "--blocks", "1000", NULL);
        await_child(pid, 0);
        assert_int_equal(rmdir(out), 0);
        kill(pid, SIGINT);
        assert_int_equal(finish(pid), 2);
        unsetenv("TMPDIR");
        assert_non_null(strstr(said, "Warm: speed relative to"));
        assert_non_null(strstr(said, "/out: No such file or directory; "));
        assert_non_null(strstr(said, fallback ? "are in " : "follows on standard output"));
        if (!fallback) {
            assert_non_null(strstr(said, "\"format\": \"linmem-results\""));
            continue;
        }
        assert_int_equal(shell("cat linmem-results-*/results.json linmem-results-*/report.md"), 0);
        assert_non_null(strstr(said, "\"format\": \"linmem-results\""));
        assert_non_null(strstr(said, "## Interrupted"));
        assert_int_equal(shell("rm -r linmem-results-*"), 0);
    }
}

// The files are whole, whatever becomes of the table.
static void a_table_that_nobody_reads_costs_no_results(void **state) {
    (void)state;
    static const struct {
        const char *to;
        int status;
    } rows[] = {{">/dev/full", 2}, {">&-", 2}, {"| true", 141}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_int_equal(
            shell("bash -c '\"$LINMEM\" compare --out out --allocators tlsf --blocks 1 "
                  "--workloads small.lmt %s; exit ${PIPESTATUS[0]}'",
                  rows[i].to),
            rows[i].status);
        json_t *json = results();
        assert_string_equal(text(find_cell(json, "tlsf", "warm"), "status"), "ok");
        json_decref(json);
        assert_non_null(strstr(content("out/report.md"), "## Measured on"));
        clear_out(state);
    }
}

static const char *status_of(const json_t *json, const char *allocator) {
    return text(find_cell(json, allocator, "warm"), "status");
}

// A stopped process hangs as an allocator would that loops.
static void a_cell_that_hangs_is_named_and_the_others_go_on(void **state) {
    (void)state;
    pid_t pid = begin("--workloads", trace, "--allocators", "tlsf,buddy", "--blocks", "1",
                      "--cell-seconds", "4", NULL);
    kill(await_child(pid, 0), SIGSTOP);
    assert_int_equal(finish(pid), 1);
    json_t *json = results();
    bool first = strcmp(status_of(json, "tlsf"), "ok") != 0;
    assert_non_null(strstr(status_of(json, first ? "tlsf" : "buddy"),
                           "timed out after 4 s; --cell-seconds N allows more"));
    assert_string_equal(status_of(json, first ? "buddy" : "tlsf"), "ok");
    assert_string_equal(status_of(json, "ideal"), "ok");
    json_decref(json);
}

// Verifications run side by side and are waited for one after the other. The limit of each begins
// when it starts, so the second of two that hang ends with the first.
static void a_limit_begins_with_the_process(void **state) {
    (void)state;
    if (sysconf(_SC_NPROCESSORS_ONLN) < 2) skip(); // they would not run side by side
    pid_t pid = begin("--workloads", trace, "--allocators", "tlsf,buddy", "--blocks", "1",
                      "--cell-seconds", "8", NULL);
    pid_t first = await_child(pid, 0);
    kill(first, SIGSTOP);
    pid_t second = await_child(pid, first);
    kill(second, SIGSTOP);
    while (kill(first, 0) == 0 && kill(second, 0) == 0)
        usleep(10000);
    sleep(2); // well below the limit
    kill(first, SIGCONT);
    kill(second, SIGCONT);
    assert_int_equal(finish(pid), 1);
    json_t *json = results();
    assert_non_null(strstr(status_of(json, "tlsf"), "verifying: timed out after 8 s"));
    assert_non_null(strstr(status_of(json, "buddy"), "verifying: timed out after 8 s"));
    json_decref(json);
}

// Interrupted while it hangs: it is named, the others were not begun.
static void an_interrupted_cell_is_named(void **state) {
    (void)state;
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
        pid_t pid =
            begin("--workloads", trace, "--allocators", "floor,ideal", "--blocks", "1", NULL);
        kill(await_child(pid, 0), SIGSTOP); // ideal is verified first
        kill(pid, signals[i]);
        assert_int_equal(finish(pid), 1);
        json_t *json = results();
        assert_non_null(strstr(status_of(json, "ideal"), "verifying: interrupted after "));
        assert_string_equal(status_of(json, "floor"), "interrupted before it");
        json_decref(json);
        char *report = content("out/report.md");
        assert_non_null(strstr(report, "## Interrupted before the first block"));
        assert_non_null(strstr(report, "ideal on small: verifying: interrupted after "));
        assert_int_equal(child_of(pid), 0);
        clear_out(state);
    }
}

static void the_runner_is_there_and_of_this_build(void **state) {
    (void)state;
    assert_int_equal(shell("mkdir -p moved && cp \"$LINMEM\" moved/linmem && moved/linmem compare "
                           "--out out --workloads small.lmt --allocators tlsf"),
                     2);
    assert_non_null(strstr(said, "moved/linmem-runner: No such file or directory"));
    assert_int_equal(shell("rm -rf linmem-results; moved/linmem compare --workloads small.lmt "
                           "--allocators tlsf; ls linmem-results"),
                     2);
    assert_non_null(strstr(said, "cannot access 'linmem-results'"));
    assert_int_equal(shell("cp /bin/true moved/linmem-runner; moved/linmem compare --out out "
                           "--workloads small.lmt --allocators tlsf"),
                     1);
    assert_non_null(strstr(said, "linmem-runner produced no result"));
}

// What a user's environment holds is no reason to hang.
static void odd_environments_are_survived(void **state) {
    (void)state;
    static const char *const rows[] = {
        "env -i \"MALLOC_$(printf %0400d 0)=1\"", "env -i",
        "env COLUMNS=20 LC_ALL=de_DE.UTF-8 TZ=Nowhere/At_All NO_COLOR=1 TERM=xterm",
        "env -i LD_PRELOAD= MALLOC_=x GLIBC_TUNABLES=glibc.malloc.check=3"};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char *line = text_format("%s \"$LINMEM\" compare --out out --workloads small.lmt "
                                 "--allocators tlsf --blocks 1",
                                 rows[i]);
        assert_int_equal(shell("%s", line), 0);
        free(line);
        json_t *json = results();
        assert_string_equal(status_of(json, "tlsf"), "ok");
        json_decref(json);
        clear_out(state);
    }
}

int main(int argc, char **argv) {
    if (argc != 2) return 2;
    linmem = realpath(argv[1], NULL); // shells run elsewhere
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(hostile_names_lose_nothing, clear_out),
        cmocka_unit_test_teardown(the_command_can_be_pasted, clear_out),
        cmocka_unit_test_teardown(two_files_of_a_name_are_told_apart, clear_out),
        cmocka_unit_test_teardown(a_dash_is_standard_input_and_output, clear_out),
        cmocka_unit_test_teardown(the_default_folder_is_a_new_one, clear_out),
        cmocka_unit_test_teardown(a_folder_that_cannot_be_written_is_told_first, clear_out),
        cmocka_unit_test_teardown(what_was_measured_outlives_its_folder, clear_out),
        cmocka_unit_test_teardown(a_table_that_nobody_reads_costs_no_results, clear_out),
        cmocka_unit_test_teardown(a_cell_that_hangs_is_named_and_the_others_go_on, clear_out),
        cmocka_unit_test_teardown(a_limit_begins_with_the_process, clear_out),
        cmocka_unit_test_teardown(an_interrupted_cell_is_named, clear_out),
        cmocka_unit_test_teardown(the_runner_is_there_and_of_this_build, clear_out),
        cmocka_unit_test_teardown(odd_environments_are_survived, clear_out),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
