#include "bench/workload.h"

#include "cli/file.h"
#include "cli/home.h"
#include "cli/options.h"
#include "cli/text.h"
#include "corpus/trace/trace.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static const char *const workload_extensions[] = {".lmt.zst", ".lmt"};

// Returns the name of a trace in its path, without its folder and extension.
static const char *workload_name_in(const char *path, size_t *bytes) {
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    *bytes = strlen(name);
    for (size_t i = 0; i < sizeof workload_extensions / sizeof *workload_extensions; i++) {
        size_t end = strlen(workload_extensions[i]);
        if (*bytes <= end || strcmp(name + *bytes - end, workload_extensions[i]) != 0) continue;
        *bytes -= end;
        break;
    }
    return name;
}

static int workload_is_trace(const struct dirent *entry) {
    size_t bytes, length = strlen(entry->d_name);
    workload_name_in(entry->d_name, &bytes);
    return bytes > 0 && bytes < length && length - bytes == strlen(".lmt.zst");
}

const char *const *workload_names(size_t *count) {
    static const char **names;
    static size_t found;
    if (!names) {
        struct dirent **entries = NULL;
        char *folder = home_path("corpus/traces");
        int entry_count = scandir(folder, &entries, workload_is_trace, alphasort);
        found = entry_count > 0 ? (size_t)entry_count : 0;
        names = calloc(found + 1, sizeof *names);
        if (!names) options_fail("out of memory");
        for (size_t i = 0; i < found; i++) {
            size_t bytes;
            const char *name = workload_name_in(entries[i]->d_name, &bytes);
            names[i] = text_format("%.*s", (int)bytes, name);
            free(entries[i]);
        }
        free(entries);
        free(folder);
    }
    *count = found;
    return names;
}

static bool workload_is_path(const char *text) {
    size_t bytes;
    workload_name_in(text, &bytes);
    return file_is_standard(text) || strchr(text, '/') || bytes < strlen(text);
}

static char *workload_find(const char *name_or_path) {
    if (workload_is_path(name_or_path)) return text_format("%s", name_or_path);
    char *file = text_format("corpus/traces/%s.lmt.zst", name_or_path), *path = home_path(file);
    free(file);
    if (access(path, R_OK) == 0) return path;
    free(path);
    size_t count;
    const char *const *names = workload_names(&count);
    options_unknown("workload", name_or_path, names, count);
}

static char *workload_printable_part(const char *text, size_t bytes) {
    char *part = text_format("%.*s", (int)bytes, text), *printable = text_printable(part);
    free(part);
    return printable;
}

static char *workload_name_of(const char *path) {
    size_t bytes;
    const char *name = workload_name_in(path, &bytes);
    return file_is_standard(path) ? text_format("standard input")
                                  : workload_printable_part(name, bytes);
}

void workload_load(workload *workload, const char *name_or_path) {
    trace trace;
    trace_error error;
    workload->path = workload_find(name_or_path);
    if (!trace_read_hashed(workload->path, &trace, &workload->hash, &error))
        options_fail("%s: %s", name_or_path, error.text);
    workload->name = workload_name_of(workload->path);
    const char *comment = trace.preamble + strspn(trace.preamble, "# ");
    workload->about = workload_printable_part(comment, strcspn(comment, "\n"));
    workload->replay = replay_compile(&trace, &error);
    trace_free(&trace);
    if (workload->replay < 0) options_fail("%s: %s", name_or_path, error.text);
    const struct replay *replay = replay_map(workload->replay);
    if (!replay) options_fail("%s: %s", name_or_path, strerror(errno));
    workload->summary = *replay;
    munmap((void *)(uintptr_t)replay, replay->bytes);
}

void workload_name_by_path(workload *workload) {
    free(workload->name);
    workload->name = text_printable(workload->path);
}

void workload_unload(workload *workload) {
    close(workload->replay);
    free(workload->name);
    free(workload->about);
    free(workload->path);
}
