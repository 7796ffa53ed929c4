// Shared by the tests of linmem compare: runs the built command in a temporary folder, which is the
// current one, with a small trace, small.lmt. Results are written to its folder out.
#pragma once

#include "cli/test.h"
#include "cli/text.h"

#include <dirent.h>
#include <signal.h>
#include <sys/stat.h>

#define UNUSED __attribute__((unused)) // in one of the tests

static char *linmem;    // the path of the command
static json_t *results; // set by read_results

static int run_script(void *script) {
    for (int number = 1; number < NSIG; number++)
        signal(number, SIG_DFL); // the caller of the tests may ignore some
    setenv("LINMEM", linmem, 1);
    execl("/bin/sh", "sh", "-c", script, NULL);
    return 99;
}

// Starts a shell script, which has the command as $LINMEM, and frees it.
static pid_t start(char *script) {
    pid_t pid = test_start(run_script, script);
    free(script);
    return pid;
}

// Run a script, or start or run linmem compare; the arguments are those of printf.
#define shell(...)   test_finish(start(text_format(__VA_ARGS__)))
#define begin(...)   start(text_format("exec \"$LINMEM\" compare --out out " __VA_ARGS__))
#define compare(...) test_finish(begin(__VA_ARGS__))

static json_t *get(const json_t *object, const char *key) {
    return json_object_get(object, key);
}

static const char *text(const json_t *object, const char *key) {
    return json_string_value(get(object, key));
}

UNUSED static json_int_t whole(const json_t *object, const char *key) {
    return json_integer_value(get(object, key));
}

static void read_results(void) {
    json_decref(results);
    results = json_load_file("out/results.json", 0, NULL);
    assert_non_null(results);
    assert_string_equal(text(results, "format"), "linmem-results");
}

// Returns the allocator's first cell whose `key` has the value.
static json_t *find_cell_with(const char *allocator, const char *key, const char *value) {
    size_t i;
    json_t *cell;
    json_array_foreach(get(results, "cells"), i, cell) {
        if (strcmp(text(cell, "allocator"), allocator) == 0 && strcmp(text(cell, key), value) == 0)
            return cell;
    }
    fail_msg("no cell of %s with %s %s", allocator, key, value);
    return NULL;
}

static json_t *find_cell(const char *allocator, const char *pass) {
    return find_cell_with(allocator, "pass", pass);
}

UNUSED static const char *status_of(const char *allocator) {
    return text(find_cell(allocator, "warm"), "status");
}

UNUSED static json_t *median(const json_t *cell) {
    return get(get(cell, "ns_per_op"), "median");
}

// Returns a runner that is a child of `parent` and not `known`, or 0.
static pid_t other_child_of(pid_t parent, pid_t known) {
    pid_t found = 0;
    DIR *processes = opendir("/proc");
    for (struct dirent *entry; !found && (entry = readdir(processes));) {
        char path[300], state;
        int pid, of;
        snprintf(path, sizeof path, "/proc/%s/stat", entry->d_name);
        FILE *file = fopen(path, "r");
        if (!file) continue;
        if (fscanf(file, "%d (linmem-runner) %c %d", &pid, &state, &of) == 3 && of == parent &&
            pid != known)
            found = pid;
        fclose(file);
    }
    closedir(processes);
    return found;
}

// Waits until the parent has a runner other than `known`. Fails if the parent ends first.
UNUSED static pid_t await_child(pid_t parent, pid_t known) {
    pid_t child;
    while ((child = other_child_of(parent, known)) == 0) {
        siginfo_t ended = {0};
        assert_int_equal(waitid(P_PID, (id_t)parent, &ended, WEXITED | WNOHANG | WNOWAIT), 0);
        if (ended.si_pid) fail_msg("the command ended without a child: status %d", ended.si_status);
    }
    return child;
}

static int make_folder(void **state) {
    if (test_enter_folder(state) != 0) return -1;
    FILE *file = fopen("small.lmt", "w");
    if (!file) return -1;
    fputs("linmem-trace 1\n", file);
    for (int i = 0; i < 30000; i++)
        fprintf(file, "a %d %d\n", i, i % 300);
    for (int i = 0; i < 30000; i++)
        fprintf(file, "f %d\n", i * 7 % 30000);
    return fclose(file);
}

static int clear_out(void **state) {
    return file_remove_tree("out") ? 0 : -1;
}

#define COMPARE_TEST(test) TEST(test, .teardown_func = clear_out)

static int remove_folder(void **state) {
    json_decref(results);
    return test_leave_folder(state);
}
