#include "bench/workload.h"

#include "cli/options.h"
#include "corpus/trace.h"

#include <errno.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define TRACES LINMEM_SOURCE_DIR "/corpus/traces/"

static const char *const ends[] = {".lmt.zst", ".lmt"};

// Copies the name of a trace without its folder and its end.
static void base_name(char *name, size_t bytes, const char *path) {
    const char *slash = strrchr(path, '/');
    snprintf(name, bytes, "%s", slash ? slash + 1 : path);
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        size_t length = strlen(name), end = strlen(ends[i]);
        if (length > end && strcmp(name + length - end, ends[i]) == 0) name[length - end] = '\0';
    }
}

char **workload_names(size_t *count) {
    glob_t found;
    if (glob(TRACES "*.lmt.zst", 0, NULL, &found) != 0) found.gl_pathc = 0;
    enum { NAME_BYTES = 64 };
    char **names = calloc(found.gl_pathc + 1, sizeof *names + NAME_BYTES);
    if (!names) options_fail("%s", strerror(errno));
    char *text = (char *)(names + found.gl_pathc + 1);
    for (size_t i = 0; i < found.gl_pathc; i++, text += NAME_BYTES)
        base_name(names[i] = text, NAME_BYTES, found.gl_pathv[i]);
    *count = found.gl_pathc;
    if (found.gl_pathc) globfree(&found);
    return names;
}

static bool is_path(const char *text) {
    char name[64];
    base_name(name, sizeof name, text);
    return strchr(text, '/') || strlen(name) < strlen(text);
}

static char *find(const char *name_or_path) {
    if (is_path(name_or_path)) return strdup(name_or_path);
    char *path = NULL;
    if (asprintf(&path, TRACES "%s.lmt.zst", name_or_path) < 0) return NULL;
    if (access(path, R_OK) == 0) return path;
    size_t count;
    char **names = workload_names(&count);
    options_unknown("workload", name_or_path, (const char *const *)names, count);
}

static uint64_t hash_of_file(const char *path) {
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    FILE *file = fopen(path, "rbe");
    if (!file) return 0;
    for (int c; (c = getc_unlocked(file)) != EOF;)
        hash = (hash ^ (uint64_t)c) * UINT64_C(0x100000001b3);
    fclose(file);
    return hash;
}

void workload_load(workload *workload, const char *name_or_path) {
    trace trace;
    trace_error error;
    workload->path = find(name_or_path);
    if (!workload->path) options_fail("%s", strerror(errno));
    if (!trace_read(workload->path, &trace, &error))
        options_fail("%s: %s", name_or_path, error.text);
    base_name(workload->name, sizeof workload->name, workload->path);
    workload->hash = hash_of_file(workload->path);
    const char *comment = trace.preamble + strspn(trace.preamble, "# ");
    snprintf(workload->about, sizeof workload->about, "%.*s", (int)strcspn(comment, "\n"), comment);
    workload->program = program_compile(&trace, &error);
    trace_free(&trace);
    if (workload->program < 0) options_fail("%s: %s", name_or_path, error.text);
    const struct program *program = program_map(workload->program);
    if (!program) options_fail("%s: %s", name_or_path, strerror(errno));
    workload->summary = *program;
    munmap((void *)(uintptr_t)program, program->bytes);
}

void workload_unload(workload *workload) {
    close(workload->program);
    free(workload->path);
}
