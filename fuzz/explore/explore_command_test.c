// Tests linmem explore as a command: a copy of this program runs it, beside a shell script in place
// of linmem-explorer.
#include "fuzz/explore/explore_command.h"

#include "fuzz/run/test_folder.h"

// Writes the script that replaces linmem-explorer; `plays` are its shell commands.
static void put_explorer(const char *plays) {
    char *text = text_format(
        "#!/bin/sh\n[ \"$1\" = --list ] && { echo '[\"one\"]' >&3; exit; }\n%s\n", plays);
    put("linmem-explorer", text);
    put_self("self");
    free(text);
}

static void assert_says(const char *options, int status, const char *part) {
    assert_runs("./self", options, status, part);
}

#define HELD(depth) "{\"allocator\":\"one\",\"depth\":" depth ",\"violations\":[]}"

// If the explorer is killed, the result is that of the last complete depth.
FOLDER_TEST(what_was_explored_is_kept) {
    char error[200];
    put_explorer("echo '" HELD("1") "' >&3\necho '" HELD("2") "' >&3\nprintf '{\"allo' >&3\n"
                                                              "kill -INT $PPID\nsleep 60");
    assert_says("--json j", 1, "no violation; interrupted");
    json_t *json = file_read_json("j", error), *one = json_array_get(json, 0);
    assert_int_equal(json_integer_value(json_object_get(one, "depth")), 2);
    assert_string_equal(json_string_value(json_object_get(one, "ended_by")), "interrupted");
    json_decref(json);
    put_explorer("kill -KILL $$");
    assert_says("", 1, "one               killed by SIGKILL");
}

// The memory limit has its own exit status; a violation takes precedence.
FOLDER_TEST(a_memory_limit_is_said) {
    put_explorer("echo '{\"allocator\":\"one\",\"depth\":3,\"violations\":[],"
                 "\"ended_by\":\"memory limit of 64 MiB reached\"}' >&3");
    assert_says("--memory 64", 2, "  no violation; memory limit of 64 MiB reached\n");
    put_explorer("echo '{\"allocator\":\"one\",\"depth\":3,\"violations\":[{\"law\":\"survives\","
                 "\"how\":\"x\",\"operations\":1}],\"ended_by\":\"y\"}' >&3; exit 1");
    assert_says("--memory 64", 1, "broken survives: x");
}

#define FOUND                                                                                      \
    "echo "                                                                                        \
    "'{\"allocator\":\"one\",\"depth\":1,\"violations\":[{\"law\":\"survives\",\"how\":\"x\","     \
    "\"operations\":1}]}' >&3; exit 1"

// A trace that was not written, or that does not reproduce the violation, is reported as such.
FOLDER_TEST(a_trace_is_played_before_it_is_shown) {
    put_explorer("[ \"$2\" = --play ] || echo >\"$3\"\n" FOUND);
    assert_says("--traces 'a b'", 1, "after 1 operations: a b/one-explored.lmt\n");
    put_explorer(
        "[ \"$2\" = --play ] && { echo '" HELD("1") "' >&3; exit; }\necho >\"$3\"\n" FOUND);
    assert_says("", 1, "./one-explored.lmt, which breaks no law when it is replayed");
    put_explorer(FOUND);
    assert_says("--traces none", 1, "its trace could not be written");
}

FOLDER_TEST(what_cannot_be_written_is_known_before) {
    put_explorer("echo explored");
    assert_says("--json none/j", 2, "none/j: No such file");
    assert_says("--traces /proc/none", 2, "/proc/none");
    assert_says("--allocator onne", 2, "did you mean 'one'?");
}

// Each error is reported once, by the command, before an explorer is started.
FOLDER_TEST(bad_options_are_refused_before_anything_starts) {
    static const char *const rows[][2] = {
        {"--sizes 0,1,x", "each of --sizes must be a whole number from 0 to 16384, not 'x'\n"},
        {"--sizes 16385", "each of --sizes must be"},
        {"--sizes ,", "--sizes needs 1 to 16 sizes, not 0\n"},
        {"--sizes 1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17", "not 17\n"},
        {"--verbs aqf", "--verbs needs letters of aArzfgx()t, not 'aqf'\n"},
        {"--verbs ''", "not ''\n"},
        {"--depth 33", "--depth must be a whole number from 1 to 32, not '33'\n"},
        {"--level 2", "--level must be a whole number from 0 to 1, not '2'\n"},
        {"--memory 63", "--memory must be a whole number from 64 to 16777216, not '63'\n"},
        {"one", "unexpected argument 'one'"},
    };
    put_explorer("echo explored >>log; echo '" HELD("1") "' >&3");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_says(rows[i][0], 2, rows[i][1]);
        assert_false(test_exists("log"));
    }
}

// The last of repeated options counts.
FOLDER_TEST(options_are_passed_on) {
    put_explorer("echo \"$*.\"; echo '" HELD("1") "' >&3");
    assert_says("--sizes 8,9 --verbs af --level 0 --refuse --memory 200", 0,
                "--depth 5 --memory 200 --refuse --sizes 8,9 --verbs af --level 0.\n");
    assert_says("--level 0 --level 0 --level 0 --level 0 --level 0 --level 0 --level 0 --level 0 "
                "--level 0 --level 0 --level 0 --level 0 --level 0 --level 0 --level 0 --level 1",
                0, " --level 1.\n");
}

int main(int argc, char **argv) {
    // The copy is the command.
    if (argc > 1 || !strstr(argv[0], "explore_command_test"))
        return (int)explore_command(argc, argv);
    return cmocka_run_group_tests(test_list, NULL, NULL);
}
