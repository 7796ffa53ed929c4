// For tests in a folder of their own (FOLDER_TEST): shell scripts in it that stand for programs.
#pragma once

#include "cli/test.h"
#include "cli/text.h"

#include <sys/stat.h>

// Writes an executable file; makes its folders.
static inline void put(const char *path, const char *text) {
    char *parent = text_format("./%s", path);
    *strrchr(parent, '/') = '\0';
    assert_true(file_make_directory(parent));
    free(parent);
    FILE *stream = fopen(path, "w");
    assert_non_null(stream);
    fputs(text, stream);
    fclose(stream);
    assert_int_equal(chmod(path, 0755), 0);
}

// Runs a shell command in the folder. Returns its exit status.
static inline int run_shell(const char *line) {
    child_end end;
    const char *const argv[] = {"sh", "-c", line, NULL};
    child_wait(child_start(&(child_options){.argv = argv, .cpu = -1}), 300, &end);
    return end.exit_status;
}

// Copies this program, which then is a command that starts others beside it.
static inline void put_self(const char *path) {
    put(path, "");
    char *line = text_format("cp /proc/%d/exe %s", (int)getpid(), path);
    assert_int_equal(run_shell(line), 0);
    free(line);
}

// Runs a command and checks its exit status and a part of its output. A command that rejects its
// options exits without freeing memory.
static inline void assert_runs(const char *command, const char *options, int status,
                               const char *part) {
    char *line = text_format("ASAN_OPTIONS=detect_leaks=0 %s %s >said 2>&1", command, options);
    size_t size;
    int ended = run_shell(line);
    char *said = file_read("said", &size);
    assert_non_null(said);
    if (ended != status || !strstr(said, part))
        fail_msg("%s: status %d, '%s' was expected in: %s", options, ended, part, said);
    free(line);
    free(said);
}
