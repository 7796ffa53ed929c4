#include "fuzz/explore/explorer_program.h"

#include "cli/child.h"
#include "cli/verb.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FAILURE_BYTES = 100, ARGUMENTS_MAX = 24 };

json_t *explorer_program_read(int descriptor) {
    FILE *stream = fdopen(descriptor, "r");
    char *line = NULL;
    size_t room = 0;
    json_t *last = NULL;
    while (stream && getline(&line, &room, stream) > 0) {
        json_t *said = json_loads(line, 0, NULL);
        if (!said) continue;
        json_decref(last);
        last = said;
    }
    free(line);
    if (stream) fclose(stream);
    return last;
}

// Waits before it reads: the output fits into the pipe's buffer.
json_t *explorer_program_run(const char *const *arguments, char *failure) {
    char *program = child_beside("linmem-explorer");
    const char *argv[ARGUMENTS_MAX + 2] = {program};
    for (size_t i = 0; i < ARGUMENTS_MAX && arguments[i]; i++)
        argv[1 + i] = arguments[i];
    int ends[2] = {-1, -1};
    *failure = '\0';
    pid_t pid = pipe2(ends, O_CLOEXEC) != 0
                    ? -1
                    : child_start(&(child_options){
                          .argv = argv, .descriptors = &ends[1], .descriptor_count = 1, .cpu = -1});
    int reason = errno;
    free(program);
    close(ends[1]);
    child_end end = {0};
    if (pid > 0) child_wait(pid, 0, &end);
    json_t *result = explorer_program_read(ends[0]);
    bool whole = pid > 0 && (end.ok || end.exit_status == EXIT_FAILED);
    if (!result || !whole)
        snprintf(failure, FAILURE_BYTES, "%s", pid > 0 ? end.text : strerror(reason));
    return result;
}
