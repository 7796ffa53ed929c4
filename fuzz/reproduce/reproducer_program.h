// For tests: compiles and runs a reproducer.
#pragma once

#include "cli/child.h"
#include "fuzz/reproduce/reproducer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

// Compiles a reproducer with a copy of alloc/ that the shell command `change` has changed ($mutants
// is the folder fuzz/score/mutants), and runs it. Returns the exit status.
static inline int run_reproducer(const trial *trial, const trace *trace, const failure *failure,
                                 FILE *calls, const char *change) {
    char folder[] = "/tmp/linmem-reproducer-test-XXXXXX", path[100], script[4000];
    child_end end;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/bug.c", folder);
    assert_true(reproducer_write(trial, trace, failure, calls, path));
    char *command = reproducer_command(trial, path, "bug '-DLM_MUTANT(x)=(void)0'");
    snprintf(
        script, sizeof script,
        "mutants=$PWD/fuzz/score/mutants; cp -r alloc %s && cd %s && { %s; } >said 2>&1 && %s && "
        "./bug >said; status=$?; [ $status -lt 2 ] || cat said; rm -rf %s; exit $status",
        folder, folder, change, command, folder);
    child_options options = {.argv = (const char *const[]){"sh", "-c", script, NULL}, .cpu = -1};
    child_wait(child_start(&options), 120, &end);
    free(command);
    return end.exit_status;
}
