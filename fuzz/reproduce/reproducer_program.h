// For tests: compiles and runs a reproducer.
#pragma once

#include "cli/child.h"
#include "cli/file.h"
#include "cli/test.h"
#include "cli/text.h"
#include "fuzz/reproduce/reproducer.h"
#include "fuzz/run/finding.h"

#include <stdlib.h>
#include <string.h>

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

// A folder for all programs of a test, with a copy of alloc/ and the objects compiled so far.
static char reproducer_folder[] = "/tmp/linmem-reproducer-test-XXXXXX";

static inline void remove_reproducers(void) {
    file_remove_tree(reproducer_folder);
}

// Runs a shell script in the folder; $root is the repository. Returns its exit status.
static inline int run_in_folder(const char *script, FILE *said) {
    char *line = text_format("root=$PWD; cd %s && %s", reproducer_folder, script);
    child_end end;
    child_options options = {.argv = (const char *const[]){"sh", "-c", line, NULL},
                             .descriptors = (int[]){fileno(said)},
                             .descriptor_count = 1,
                             .cpu = -1};
    child_wait(child_start(&options), 120, &end);
    free(line);
    return end.exit_status;
}

// Splits the command in the head of a reproducer into the compilation of each source, so that ninja
// compiles only what was not compiled with the same options, or has changed since.
#define COMPILE                                                                                    \
    "set -- $(sed -n 's|^//     \\(.* -I[.] .*\\) && ./bug$|\\1|p' *.c); "                         \
    "for word; do case $word in *.c) files=\"$files $word\";; -l*) libs=\"$libs $word\";; "        \
    "-o | bug) ;; *) flags=\"$flags $word\";; esac; done; "                                        \
    "o=$(echo \"$flags\" | cksum | tr -dc 0-9); { "                                                \
    "printf 'rule cc\\n command = %s %s -MD -MF $out.d -o $out -c $in\\n depfile = $out.d\\n "     \
    "deps = gcc\\nrule ld\\n command = %s $in -o $out %s\\n' "                                     \
    "\"$flags\" \"'-DLM_MUTANT(x)=(void)0'\" \"$flags\" \"$libs\"; "                               \
    "for file in $files; do echo \"build $o/$file.o: cc $file\"; "                                 \
    "objects=\"$objects $o/$file.o\"; done; echo \"build bug: ld $objects\"; } >build.ninja; "     \
    "ninja bug >&3 2>&3 || exit 9; "

// Compiles a reproducer by the command in its head, in a copy of the repository of which the shell
// command `change` has changed alloc/ ($mutants is the folder fuzz/score/mutants), and runs it.
// Returns the exit status, or 9 if it does not compile; `law` becomes what it says is broken.
static inline int run_reproducer(const trace_run *run, const trace *trace, const failure *failure,
                                 const char *change, char law[48]) {
    FILE *said = tmpfile();
    assert_non_null(said);
    static bool made;
    if (!made) {
        made = mkdtemp(reproducer_folder);
        assert_true(made);
        atexit(remove_reproducers);
        assert_int_equal(
            run_in_folder("cp -r $root/alloc . && ln -s $root/cli $root/corpus $root/fuzz .", said),
            0);
    }
    char *path = text_format("%s/bug.c", reproducer_folder);
    assert_true(reproducer_write(run, trace, failure, path));
    // Undoes the change before this one.
    char *script = text_format("mutants=$root/fuzz/score/mutants; rm -f bug; "
                               "diff -rq $root/alloc alloc | sed -n "
                               "'s|^Files \\(.*\\) and \\(.*\\) differ$|cp \\1 \\2|p' | sh; "
                               "{ %s; } >/dev/null || exit 9; %s./bug >&3 2>&3",
                               change, COMPILE);
    int status = run_in_folder(script, said);
    read_law(said, status > 1, law);
    fclose(said);
    free(script);
    free(path);
    return status;
}
