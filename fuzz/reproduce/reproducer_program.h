// For tests: compiles and runs a reproducer.
#pragma once

#include "cli/child.h"
#include "fuzz/reproduce/reproducer.h"
#include "fuzz/run/finding.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

// The law that a reproducer, or the sanitizer that ends it, says is broken; "" for none.
static inline void read_law(FILE *said, bool prints, char law[48]) {
    char line[1000];
    finding found = {0};
    rewind(said);
    while (fgets(line, sizeof line, said)) {
        if (sscanf(line, "%*s %*u: broken %47[a-z]", found.law) != 1) finding_read(&found, line);
        if (prints) print_message("%s", line);
    }
    snprintf(law, 48, "%s", found.law);
}

// Compiles a reproducer by the command in its head, in a copy of the repository of which the shell
// command `change` has changed alloc/ ($mutants is the folder fuzz/score/mutants), and runs it.
// Returns the exit status, or 9 if it does not compile; `law` becomes what it says is broken.
static inline int run_reproducer(const trace_run *run, const trace *trace, const failure *failure,
                                 const char *change, char law[48]) {
    char folder[] = "/tmp/linmem-reproducer-test-XXXXXX", path[100], script[2000];
    FILE *said = tmpfile();
    child_end end;
    assert_non_null(said);
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/bug.c", folder);
    assert_true(reproducer_write(run, trace, failure, path));
    snprintf(script, sizeof script,
             "mutants=$PWD/fuzz/score/mutants; "
             "cp -r alloc %s && ln -s $PWD/cli $PWD/corpus $PWD/fuzz %s && cd %s && "
             "{ %s; } >/dev/null && "
             "sed -n \"s|^//     \\(.* -I[.] \\)|\\1'-DLM_MUTANT(x)=(void)0' |p\" *.c >command && "
             "sh command >&3 2>&3; status=$?; [ -x bug ] || status=9; "
             "rm -rf %s; exit $status",
             folder, folder, folder, change, folder);
    child_options options = {.argv = (const char *const[]){"sh", "-c", script, NULL},
                             .descriptors = (int[]){fileno(said)},
                             .descriptor_count = 1,
                             .cpu = -1};
    child_wait(child_start(&options), 120, &end);
    read_law(said, end.exit_status > 1, law);
    fclose(said);
    return end.exit_status;
}
