#include "bench/system_library.h"

#include "cli/child.h"

#include <string.h>

// The dynamic linker prints a message about a library that it cannot preload, and continues.
static bool system_library_can_preload(const char *file) {
    const char *const argv[] = {
        "sh", "-c", "case $(LD_PRELOAD=$0 /bin/true 2>&1) in *LD_PRELOAD*) exit 1 ;; esac", file,
        NULL};
    child_options options = {.argv = argv, .cpu = -1, .quiet = true};
    pid_t pid = child_start(&options);
    child_end end = {0};
    if (pid > 0) child_wait(pid, 0, &end);
    return end.ok;
}

const char *system_library(const lm_system_malloc *system_malloc) {
    enum { SYSTEM_MALLOCS_MAX = 16 };
    static struct {
        const lm_system_malloc *system_malloc;
        bool found;
        char file[LM_LIBRARY_BYTES];
    } answers[SYSTEM_MALLOCS_MAX];
    if (!*system_malloc->libraries) return "";
    size_t i = 0;
    while (i < SYSTEM_MALLOCS_MAX - 1 && answers[i].system_malloc &&
           answers[i].system_malloc != system_malloc)
        i++;
    const char *rest = system_malloc->libraries;
    if (answers[i].system_malloc != system_malloc) answers[i].found = false;
    while (answers[i].system_malloc != system_malloc && !answers[i].found &&
           lm_system_malloc_next_library(&rest, answers[i].file))
        answers[i].found = system_library_can_preload(answers[i].file);
    answers[i].system_malloc = system_malloc;
    return answers[i].found ? answers[i].file : NULL;
}
