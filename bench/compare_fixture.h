// Shared by the tests of linmem compare: runs the built command as a user would, in a temporary
// folder with a small trace.
#pragma once

#include <dirent.h>
#include <fcntl.h>
#include <jansson.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define UNUSED __attribute__((unused)) // in one of the tests

static const char *linmem;
static char folder[] = "/tmp/linmem-compare-XXXXXX", trace[64], out[64], said_path[64];
static char said[65536];

static pid_t start(const char *first, va_list rest) {
    const char *argv[32] = {linmem, "compare", "--out", out, first};
    for (int argc = 5; argv[argc - 1] && argc < 31; argc++)
        argv[argc] = va_arg(rest, const char *);
    pid_t pid = fork();
    if (pid == 0) {
        int file = open(said_path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
        dup2(file, 1);
        dup2(file, 2);
        for (int number = 1; number < NSIG; number++)
            signal(number, SIG_DFL); // the caller of the tests may ignore some
        execv(linmem, (char *const *)(uintptr_t)argv);
        _exit(99);
    }
    assert_true(pid > 0);
    return pid;
}

UNUSED static pid_t begin(const char *first, ...) {
    va_list rest;
    va_start(rest, first);
    pid_t pid = start(first, rest);
    va_end(rest);
    return pid;
}

// Waits for the command and reads its output into `said`. Returns its exit status.
static int finish(pid_t pid) {
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    FILE *file = fopen(said_path, "r");
    assert_non_null(file);
    said[fread(said, 1, sizeof said - 1, file)] = '\0';
    fclose(file);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

UNUSED static int compare(const char *first, ...) {
    va_list rest;
    va_start(rest, first);
    pid_t pid = start(first, rest);
    va_end(rest);
    return finish(pid);
}

UNUSED static json_t *results(void) {
    char path[96];
    snprintf(path, sizeof path, "%s/results.json", out);
    json_t *json = json_load_file(path, 0, NULL);
    assert_non_null(json);
    assert_string_equal(json_string_value(json_object_get(json, "format")), "linmem-results");
    return json;
}

UNUSED static const char *text(const json_t *object, const char *key) {
    return json_string_value(json_object_get(object, key));
}

UNUSED static json_int_t whole(const json_t *object, const char *key) {
    return json_integer_value(json_object_get(object, key));
}

UNUSED static json_t *find_cell(const json_t *json, const char *allocator, const char *pass) {
    size_t i;
    json_t *cell;
    json_array_foreach(json_object_get(json, "cells"), i,
                       cell) if (strcmp(text(cell, "allocator"), allocator) == 0 &&
                                 strcmp(text(cell, "pass"), pass) == 0) return cell;
    fail_msg("no cell of %s", allocator);
    return NULL;
}

UNUSED static json_t *median(const json_t *cell) {
    return json_object_get(json_object_get(cell, "ns_per_op"), "median");
}

// Returns a runner that is a child of `parent` and not `known`, or 0.
UNUSED static pid_t other_child_of(pid_t parent, pid_t known) {
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

UNUSED static pid_t child_of(pid_t parent) {
    return other_child_of(parent, 0);
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

UNUSED static int make_folder(void **state) {
    (void)state;
    if (!mkdtemp(folder)) return -1;
    snprintf(trace, sizeof trace, "%s/small.lmt", folder);
    snprintf(out, sizeof out, "%s/out", folder);
    snprintf(said_path, sizeof said_path, "%s/said", folder);
    FILE *file = fopen(trace, "w");
    if (!file) return -1;
    fputs("linmem-trace 1\n", file);
    for (int i = 0; i < 30000; i++)
        fprintf(file, "a %d %d\n", i, i % 300);
    for (int i = 0; i < 30000; i++)
        fprintf(file, "f %d\n", i * 7 % 30000);
    return fclose(file);
}

UNUSED static int clear_out(void **state) {
    (void)state;
    char command[96];
    snprintf(command, sizeof command, "rm -rf '%s'", out);
    return system(command);
}

UNUSED static int remove_folder(void **state) {
    (void)state;
    char command[96];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command);
}
