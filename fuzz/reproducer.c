#include "fuzz/reproducer.h"

#include "cli/file.h"
#include "fuzz/oracle.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

// ---- Calls --------------------------------------------------------------------------------------

static void print_heap_call(const trace_operation *operation, FILE *stream) {
    const uint32_t *a = operation->argument;
    bool zeroed = operation->verb == TRACE_ZEROED && a[2] == TRACE_ALIGNMENT_DEFAULT;
    switch (operation->verb) {
    case TRACE_ALLOCATE:
    case TRACE_ZEROED:
        fprintf(stream, "    allocate(%u, %u, %u, %s);\n", a[0], a[1], a[2],
                zeroed ? "true" : "false");
        return;
    case TRACE_RESIZE:
        fprintf(stream, "    resize(%u, %u);\n", a[0], a[1]);
        return;
    case TRACE_FREE:
        fprintf(stream, "    release(%u);\n", a[0]);
        return;
    case TRACE_GROW:
        fprintf(stream, "    grow(%u);\n", a[0]);
        return;
    case TRACE_REFUSE:
        if (a[0] == TRACE_COUNT_ALL)
            fputs("    refuse(LM_REFUSE_ALL);\n", stream);
        else
            fprintf(stream, "    refuse(%u);\n", a[0]);
        return;
    case TRACE_MOVE:
        fputs("    move();\n", stream);
        return;
    case TRACE_OPEN:
        fputs("    open_scope();\n", stream);
        return;
    case TRACE_CLOSE:
        fputs("    close_scope();\n", stream);
        return;
    case TRACE_RESET:
        fputs("    reset();\n", stream);
        return;
    default:
        return; // the heap sees nothing of it
    }
}

static void print_heap_calls(const trace *trace, FILE *stream) {
    static const uint32_t plain[] = {LM_BLOCK_ALIGNMENT, 1, LM_PAGES_MAX};
    const trace_operation *o = trace->operations;
    bool placed = trace->count && o->verb == TRACE_HEAP;
    const uint32_t *world = placed ? o->argument : plain;
    fprintf(stream, "    start(%u, %u, %u);\n", world[0], world[1], world[2]);
    for (size_t i = placed; i < trace->count && o[i].verb != TRACE_EXIT; i++)
        print_heap_call(&o[i], stream);
}

typedef struct kind {
    const char *target, *begins_with;
    void (*print_calls)(const trace *trace, FILE *stream);
} kind;

static const kind kinds[] = {
    {"heap", "fuzz/reproducer_heap.h", print_heap_calls},
};

static const kind *kind_of(const trial *trial) {
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strcmp(kinds[i].target, trial->target->name) == 0) return &kinds[i];
    return NULL;
}

bool reproducer_is_known(const trial *trial) {
    return kind_of(trial);
}

// ---- The program --------------------------------------------------------------------------------

char *reproducer_command(const trial *trial, const char *path, const char *program) {
    const char *how = trial->program
                          ? "clang -g -fsanitize=address,undefined -fno-sanitize-recover=all"
                      : trial->counted ? "cc -O1 -fsanitize-coverage=trace-pc"
                                       : "cc";
    char *text;
    int written =
        asprintf(&text,
                 "%s -I. -D_GNU_SOURCE -DLM_CHECK_LEVEL=%d -o %s %s "
                 "alloc/strategies/%s.c alloc/linear_memory.c",
                 how, trial->allocator->check_level, program, path, trial->allocator->name);
    return written < 0 ? NULL : text;
}

static bool print_head(const trial *trial, const trace *trace, const failure *failure,
                       const char *path, FILE *stream) {
    oracle_law law = law_named(failure->law);
    const char *slash = strrchr(path, '/');
    char *command = reproducer_command(trial, slash ? slash + 1 : path, "bug");
    if (!command) return false;
    fprintf(stream, "// %s at check level %d breaks the law %s%s%s.\n", trial->allocator->name,
            trial->allocator->check_level, failure->law, law == LAW_NONE ? "" : ": ",
            law == LAW_NONE ? "" : law_texts[law]);
    fprintf(stream,
            "// %s\n//\n// In linmem's repository:\n//\n//     %s && ./bug\n//\n"
            "// It exits with 1 and says what is broken, or with 0. Start reading at the end.\n",
            failure->how, command);
    fprintf(stream, "#define STRATEGY %s\nenum { BLOCKS = %u };\n\n", trial->allocator->name,
            trace->blocks ? trace->blocks : 1);
    free(command);
    return true;
}

// Copies what all reproducers of a kind begin with, from the sources.
static bool copy_beginning(const char *name, FILE *stream) {
    char path[4096], line[4096];
    snprintf(path, sizeof path, "%s/%s", LINMEM_SOURCE_DIR, name);
    FILE *source = fopen(path, "r");
    if (!source) return false;
    while (fgets(line, sizeof line, source))
        fputs(line, stream);
    return fclose(source) == 0;
}

bool reproducer_write(const trial *trial, const trace *trace, const failure *failure,
                      const char *path) {
    const kind *kind = kind_of(trial);
    whole_file file;
    if (!whole_file_open(&file, path)) return false;
    if (!print_head(trial, trace, failure, path, file.stream) ||
        !copy_beginning(kind->begins_with, file.stream)) {
        int reason = errno;
        whole_file_abandon(&file);
        errno = reason;
        return false;
    }
    fputs("\n// ---- The bug "
          "------------------------------------------------------------------------------------"
          "\n\nint main(void) {\n",
          file.stream);
    kind->print_calls(trace, file.stream);
    fputs("    return end();\n}\n", file.stream);
    return whole_file_commit(&file);
}
