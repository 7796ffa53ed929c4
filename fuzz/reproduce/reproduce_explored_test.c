// Which traces go to the explorer's program, and what comes of what it says. Started with a trace,
// it is the one that reproduces it.
#include "fuzz/reproduce/reproduce_explored.h"

#include "cli/child.h"
#include "cli/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[40];

static void put(const char *path, const char *text) {
    FILE *stream = fopen(path, "w");
    assert_non_null(stream);
    fputs(text, stream);
    fclose(stream);
}

static int set_up(void **state) {
    (void)state;
    strcpy(folder, "/tmp/linmem-explored-test-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int tear_down(void **state) {
    (void)state;
    char *command = text_format("rm -rf '%s'", folder);
    int status = system(command);
    free(command);
    return status;
}

#define OPERATIONS "h 64 1 64\na 0 100\nr 0 200\nf 0\n"

static const char known[] = "linmem-trace 1\n# explored: tlsf, level 0\n" OPERATIONS;

// Whether it is the explorer's; *status, where it is.
static bool is_played(const char *text, const char *target, char *const *allocators,
                      exit_status *status) {
    char *path = text_format("%s/x.lmt", folder);
    put(path, text);
    const reproduction wanted = {.input = path, .target = target, .allocators = allocators};
    bool played = reproduce_explored(&wanted, status);
    free(path);
    return played;
}

static void only_an_explorers_trace_is_played(void **state) {
    (void)state;
    exit_status status = EXIT_USAGE;
    char *const allocators[] = {"paged", "scope", NULL};
    assert_false(is_played("linmem-trace 1\n" OPERATIONS, NULL, NULL, &status));
    assert_false(is_played("linmem-trace 1\n# explored: all\n" OPERATIONS, NULL, NULL, &status));
    const char wraps[] = "linmem-trace 1\n# explored: tlsf, level 4294967296\n" OPERATIONS;
    assert_false(is_played(wraps, NULL, NULL, &status));
    assert_false(is_played("no trace", NULL, NULL, &status));
    assert_false(is_played(known, "heap", NULL, &status)); // who says so wants a target's
    assert_int_equal(status, EXIT_USAGE);
    assert_true(is_played(known, NULL, NULL, &status));
    assert_int_equal(status, EXIT_PASSED);
    assert_true(is_played(known, NULL, allocators, &status));
    assert_int_equal(status, EXIT_PASSED);
    assert_true(is_played("linmem-trace 1\n# explored: buffers:queued, level 1\nb 0 24\n- 0\n",
                          NULL, NULL, &status));
    assert_int_equal(status, EXIT_PASSED);
}

// This program, copied beside one that says in the explorer's place what is said here.
static int reproduces(const char *said, int exits) {
    char *script = text_format("%s/linmem-explorer", folder),
         *trace = text_format("%s/x.lmt", folder), *self = text_format("%s/self", folder);
    char *text = text_format("#!/bin/sh\n[ \"$1 $2 $3\" = \"tlsf --play %s\" ] && printf '%s' >&3\n"
                             "exit %d\n",
                             trace, said, exits);
    char *command = text_format("cp /proc/%d/exe '%s'", (int)getpid(), self);
    put(script, text);
    put(trace, known);
    assert_int_equal(chmod(script, 0755) | system(command), 0);
    child_end end;
    pid_t pid = child_start(&(child_options){
        .argv = (const char *const[]){self, trace, NULL}, .cpu = -1, .quiet = true});
    assert_true(pid > 0);
    child_wait(pid, 60, &end);
    char *texts[] = {script, trace, self, text, command};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        free(texts[i]);
    return end.exit_status;
}

static void what_it_finds_is_a_failure(void **state) {
    (void)state;
    assert_int_equal(reproduces("{\"violations\":[{\"law\":\"walk\",\"how\":\"x\"}]}", 1),
                     EXIT_FAILED);
    assert_int_equal(reproduces("{\"violations\":[],\"moves\":4}", 0), EXIT_PASSED);
    assert_int_equal(reproduces("", 2), EXIT_USAGE);
}

int main(int argc, char **argv) {
    exit_status status = EXIT_USAGE;
    if (argc == 2) {
        reproduce_explored(&(reproduction){.input = argv[1]}, &status);
        return (int)status;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(only_an_explorers_trace_is_played, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_it_finds_is_a_failure, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
