// Shared by the tests of linmem compare: runs the built command in a temporary folder, which is the
// current one, with a small trace, small.lmt. Results are written to its folder out.
#pragma once

#include "alloc/cmocka.h"
#include "cli/file.h"
#include "cli/text.h"

#include <dirent.h>
#include <fcntl.h>
#include <jansson.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define UNUSED __attribute__((unused)) // in one of the tests

static char *linmem;       // the path of the command
static char output[65536]; // of the last command: standard output and error
static json_t *results;    // set by read_results

// Starts a shell script, which has the command as $LINMEM, and frees it.
static pid_t start(char *script) {
    pid_t pid = fork();
    if (pid == 0) {
        int file = open("output", O_WRONLY | O_CREAT | O_TRUNC, 0600);
        dup2(file, 1);
        dup2(file, 2);
        for (int number = 1; number < NSIG; number++)
            signal(number, SIG_DFL); // the caller of the tests may ignore some
        setenv("LINMEM", linmem, 1);
        execl("/bin/sh", "sh", "-c", script, NULL);
        _exit(99);
    }
    assert_true(pid > 0);
    free(script);
    return pid;
}

// Reads a file of the folder.
static char *content(const char *name) {
    static char text[1 << 16];
    FILE *file = fopen(name, "r");
    if (!file) fail_msg("no %s; output: %s", name, output);
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    return text;
}

// Waits for a script and reads its output. Returns its exit status.
static int finish(pid_t pid) {
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    strcpy(output, content("output"));
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

// Run a script, or start or run linmem compare; the arguments are those of printf.
#define shell(...)   finish(start(text_format(__VA_ARGS__)))
#define begin(...)   start(text_format("exec \"$LINMEM\" compare --out out " __VA_ARGS__))
#define compare(...) finish(begin(__VA_ARGS__))

static void assert_output(const char *part) {
    if (!strstr(output, part)) fail_msg("no '%s' in: %s", part, output);
}

UNUSED static void write_file(const char *name, const char *text) {
    FILE *file = fopen(name, "w");
    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
}

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

static json_t *find_cell(const char *allocator, const char *pass) {
    size_t i;
    json_t *cell;
    json_array_foreach(get(results, "cells"), i, cell) {
        if (strcmp(text(cell, "allocator"), allocator) == 0 &&
            strcmp(text(cell, "pass"), pass) == 0)
            return cell;
    }
    fail_msg("no cell of %s", allocator);
    return NULL;
}

static const char *status_of(const char *allocator) {
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
static pid_t await_child(pid_t parent, pid_t known) {
    pid_t child;
    while ((child = other_child_of(parent, known)) == 0) {
        siginfo_t ended = {0};
        assert_int_equal(waitid(P_PID, (id_t)parent, &ended, WEXITED | WNOHANG | WNOWAIT), 0);
        if (ended.si_pid) fail_msg("the command ended without a child: status %d", ended.si_status);
    }
    return child;
}

static int make_folder(void **state) {
    static char folder[] = "/tmp/linmem-compare-XXXXXX";
    if (!mkdtemp(folder) || chdir(folder) != 0) return -1;
    *state = folder;
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

static int remove_folder(void **state) {
    json_decref(results);
    return chdir("/") == 0 && file_remove_tree(*state) ? 0 : -1;
}
