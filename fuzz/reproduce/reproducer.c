#include "fuzz/reproduce/reproducer.h"

#include "alloc/conformance/oracle.h"
#include "alloc/registry.h"
#include "cli/file.h"
#include "cli/options.h"
#include "cli/text.h"
#include "fuzz/play/buffers_world.h"

#include <errno.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>

// ---- Heaps --------------------------------------------------------------------------------------

// Prints a call of reproducer_heap.h, or nothing if the operation does not affect the heap.
static void reproducer_print_heap_call(const trace_operation *operation, FILE *stream) {
    static const struct {
        const char *name;
        int arguments;
    } calls[TRACE_VERBS] = {
        [TRACE_ALLOCATE] = {"allocate", 3}, [TRACE_ZEROED] = {"allocate", 3},
        [TRACE_RESIZE] = {"resize", 2},     [TRACE_FREE] = {"release", 1},
        [TRACE_GROW] = {"grow", 1},         [TRACE_REFUSE] = {"refuse", 1},
        [TRACE_LANE] = {"lane", 1},         [TRACE_MOVE] = {"move", 0},
        [TRACE_OPEN] = {"open_scope", 0},   [TRACE_CLOSE] = {"close_scope", 0},
        [TRACE_RESET] = {"reset", 0},
    };
    const uint32_t *a = operation->argument;
    trace_verb verb = operation->verb;
    bool zeroed = verb == TRACE_ZEROED && a[2] == TRACE_ALIGNMENT_DEFAULT;
    if (!calls[verb].name) return;
    fprintf(stream, "    %s(", calls[verb].name);
    for (int i = 0; i < calls[verb].arguments; i++)
        if (verb == TRACE_REFUSE && a[i] == TRACE_COUNT_ALL)
            fputs("LM_REFUSE_ALL", stream);
        else
            fprintf(stream, "%s%u", i > 0 ? ", " : "", a[i]);
    if (verb == TRACE_ALLOCATE || verb == TRACE_ZEROED)
        fputs(zeroed ? ", true" : ", false", stream);
    fputs(");\n", stream);
}

// Prints the heap's start. Returns the number of operations that it replaces, 0 or 1.
static size_t reproducer_print_heap_start(const trace *trace, FILE *stream) {
    static const uint32_t plain[] = {LM_BLOCK_ALIGNMENT, 1, LM_PAGES_MAX};
    const trace_operation *o = trace->operations;
    bool placed = trace->count && o->verb == TRACE_HEAP;
    const uint32_t *world = placed ? o->argument : plain;
    fprintf(stream, "    start(%u, %u, %u);\n", world[0], world[1], world[2]);
    return placed;
}

// Prints a check that the last request was served, as by most strategies.
static void reproducer_print_agreement(const failure *failure, FILE *stream) {
    const char *refuses = strstr(failure->how, ": "); // after the operation's number
    fprintf(stream, "    agrees(\"%s\");\n", refuses ? refuses + 2 : failure->how);
}

// Prints a walk over the heap with the damaged word of the finding.
static void reproducer_print_damage(const failure *failure, FILE *stream) {
    unsigned offset, value;
    const char *damage = strstr(failure->how, "word at ");
    if (damage && sscanf(damage, "word at %u is %x", &offset, &value) == 2)
        fprintf(stream, "    walk_damaged(%u, 0x%x);\n", offset, value);
}

static void reproducer_print_wrong_call(const trace_run_wrong_call *made, const trace_operation *o,
                                        FILE *stream) {
    char pointer[60] = "NULL", size[60];
    bool too_large = o->argument[0] == WRONG_wrong_size;
    snprintf(size, sizeof size, "%zu", made->size);
    if (too_large) {
        snprintf(pointer, sizeof pointer, "block(%u)", o->argument[1]);
        snprintf(size, sizeof size, "usable(%u) + 1 + %u", o->argument[1], o->argument[2]);
    } else if (!made->is_null) {
        snprintf(pointer, sizeof pointer, "no_block(0x%llx)", (unsigned long long)made->offset);
    }
    if (strcmp(made->name, "close_scope") == 0)
        fputs("    WRONG(allocator->close_scope(&memory));\n", stream);
    else if (strcmp(made->name, "usable_size") == 0)
        fprintf(stream, "    WRONG(allocator->usable_size(%s, &memory));\n", pointer);
    else if (strcmp(made->name, "resize_aligned") == 0)
        fprintf(stream, "    WRONG(allocator->resize_aligned(%s, %s, 64, &memory));\n", pointer,
                size);
    else
        fprintf(stream, "    WRONG(allocator->%s(%s, %s, &memory));\n", made->name, pointer, size);
}

// Prints the wrong calls of an operation, between checks that they change nothing. Returns their
// number.
static size_t reproducer_print_wrong_calls(const trace_run_wrong_call *made, size_t count,
                                           const trace_operation *o, FILE *stream) {
    size_t printed = 0;
    fprintf(stream, "\n    look(); // %s\n", trace_wrong_calls[o->argument[0]]);
    for (; printed < count && made[printed].at == made->at; printed++)
        reproducer_print_wrong_call(&made[printed], o, stream);
    fputs("    check_look();\n\n", stream);
    return printed;
}

static void reproducer_print_heap_calls(const trace_run *run, const trace *trace,
                                        const failure *failure, FILE *stream) {
    static trace_run_wrong_call made[TRACE_RUN_WRONG_CALLS_MAX];
    const trace_operation *o = trace->operations;
    bool disagrees = strcmp(failure->law, law_names[LAW_agreement]) == 0,
         misuses = strcmp(run->target->name, "misuse") == 0;
    size_t count = misuses ? trace_run_wrong_calls(run, trace, made) : 0, next = 0;
    for (size_t i = reproducer_print_heap_start(trace, stream);
         i < trace->count && o[i].verb != TRACE_EXIT; i++) {
        reproducer_print_heap_call(&o[i], stream);
        if (disagrees && i == failure->at) reproducer_print_agreement(failure, stream);
        if (next < count && made[next].at == i)
            next += reproducer_print_wrong_calls(&made[next], count - next, &o[i], stream);
    }
    if (run->damaged) reproducer_print_damage(failure, stream);
}

// Prints the path of a strategy's source, in alloc/strategies/ or in a folder of it.
static void reproducer_print_strategy(const char *name, FILE *stream) {
    const size_t root = sizeof LINMEM_SOURCE_DIR;
    char pattern[sizeof LINMEM_SOURCE_DIR + 100];
    snprintf(pattern, sizeof pattern, LINMEM_SOURCE_DIR "/alloc/strategies/{,*/}%s.c", name);
    glob_t found;
    if (glob(pattern, GLOB_BRACE, NULL, &found) != 0) options_fail("%s: there is none", pattern);
    fputs(found.gl_pathv[0] + root, stream);
    globfree(&found);
}

static void reproducer_print_heap_sources(const trace_run *run, FILE *stream) {
    reproducer_print_strategy(run->allocator->name, stream);
    fputs(" alloc/linear_memory.c " LINMEM_ORACLE_SOURCES, stream);
}

static void reproducer_print_heap_head(const trace_run *run, FILE *stream) {
    fprintf(stream, "#define STRATEGY %s\n\n", run->allocator->name);
}

// ---- Buffers ------------------------------------------------------------------------------------

// Calls `print` once for each strategy of the world. Imported allocators are built on one
// (alloc/buffers/imported_allocator.h).
static void reproducer_print_strategies(const trace_run *run,
                                        void (*print)(const char *name, FILE *stream),
                                        FILE *stream) {
    static const char imported[] = "imported", under_imported[] = "tlsf";
    char line[100];
    buffers_world_choice world;
    run->target->print_world(line, sizeof line);
    if (!buffers_world_of(&(trace){.preamble = line}, &world)) abort();
    for (size_t server = 0; server < lm_strategy_count(); server++) {
        const char *name = buffers_server_name(server);
        bool serves = false;
        for (uint32_t i = 0; i < world.count; i++) {
            const char *other = buffers_server_name(world.servers[i]);
            bool imports = strncmp(other, imported, strlen(imported)) == 0;
            serves |= strcmp(imports ? under_imported : other, name) == 0;
        }
        if (serves) print(name, stream);
    }
}

static void reproducer_print_source_after_blank(const char *name, FILE *stream) {
    fputc(' ', stream);
    reproducer_print_strategy(name, stream);
}

static void reproducer_print_buffers_sources(const trace_run *run, FILE *stream) {
    fputs(LINMEM_BUFFERS_PROGRAM, stream);
    reproducer_print_strategies(run, reproducer_print_source_after_blank, stream);
    fputs(" -lm", stream);
}

static void reproducer_print_registered(const char *name, FILE *stream) {
    fprintf(stream, " STRATEGY(%s)", name);
}

static void reproducer_print_buffers_head(const trace_run *run, FILE *stream) {
    fputs("#define STRATEGIES", stream);
    reproducer_print_strategies(run, reproducer_print_registered, stream);
    fputs("\n#include \"fuzz/reproduce/reproducer_buffers.h\"\n", stream);
}

// The trace as text, a string for each line.
static void reproducer_print_buffers_calls(const trace_run *run, const trace *trace,
                                           const failure *failure, FILE *stream) {
    (void)failure;
    struct trace printed = *trace;
    char world[100] = "# ", *text = NULL;
    size_t size;
    FILE *whole = open_memstream(&text, &size);
    if (!whole) options_fail("out of memory");
    run->target->print_world(world + 2, sizeof world - 3);
    printed.preamble = strcat(world, "\n");
    trace_print(&printed, whole);
    if (fclose(whole) != 0) options_fail("out of memory");
    fputs("    play(", stream);
    for (char *rest = text, *line; (line = strsep(&rest, "\n")) && *line;)
        fprintf(stream, "%s\"%s\\n\"", line == text ? "" : "\n         ", line);
    fputs(");\n", stream);
    free(text);
}

// ---- Kinds --------------------------------------------------------------------------------------

typedef struct kind {
    const char *target, *begins_with; // the latter NULL: print_head includes it
    void (*print_sources)(const trace_run *run, FILE *stream);
    void (*print_head)(const trace_run *run, FILE *stream);
    void (*print_calls)(const trace_run *run, const trace *trace, const failure *failure,
                        FILE *stream);
} kind;

static const kind kinds[] = {
    {"heap", "fuzz/reproduce/reproducer_heap.h", reproducer_print_heap_sources,
     reproducer_print_heap_head, reproducer_print_heap_calls},
    {"buffers", NULL, reproducer_print_buffers_sources, reproducer_print_buffers_head,
     reproducer_print_buffers_calls},
    {"misuse", "fuzz/reproduce/reproducer_misuse.h", reproducer_print_heap_sources,
     reproducer_print_heap_head, reproducer_print_heap_calls},
    {"differential", "fuzz/reproduce/reproducer_heap.h", reproducer_print_heap_sources,
     reproducer_print_heap_head, reproducer_print_heap_calls},
};

static const kind *reproducer_kind_of(const trace_run *run) {
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strcmp(kinds[i].target, run->target->name) == 0) return &kinds[i];
    return NULL;
}

bool reproducer_is_known(const trace_run *run) {
    return reproducer_kind_of(run);
}

// ---- The program --------------------------------------------------------------------------------

static int reproducer_check_level(const trace_run *run) {
    return run->allocator ? run->allocator->check_level : 1;
}

char *reproducer_command(const trace_run *run, const char *path, const char *program) {
    const kind *kind = reproducer_kind_of(run);
    const char *how = run->program
                          ? "clang-19 -g -fsanitize=address,undefined -fno-sanitize-recover=all"
                      : run->counted ? "cc -O1 -fsanitize-coverage=trace-pc"
                                     : "cc";
    char *text = NULL;
    size_t size;
    FILE *stream = open_memstream(&text, &size);
    if (!stream) return NULL;
    fprintf(stream, "%s -I. -D_GNU_SOURCE -DLM_CHECK_LEVEL=%d -o %s %s ", how,
            reproducer_check_level(run), program, path);
    kind->print_sources(run, stream);
    return fclose(stream) == 0 ? text : NULL;
}

// Returns a path from the repository's root if the file is in the repository, quoted for a shell.
// The caller frees it.
static char *reproducer_path_from_root(const char *path) {
    static const char root[] = LINMEM_SOURCE_DIR "/";
    const char *slash = strrchr(path, '/');
    char *folder = slash ? strndup(path, (size_t)(slash - path) + 1) : strdup("."),
         *real = folder ? realpath(folder, NULL) : NULL;
    char *whole = text_format("%s/%s", real ? real : ".", slash ? slash + 1 : path);
    bool below = strncmp(whole, root, strlen(root)) == 0;
    char *word = text_shell_command(1, &(char *){below ? whole + strlen(root) : whole});
    free(folder);
    free(real);
    free(whole);
    return word;
}

static bool reproducer_print_head(const trace_run *run, const failure *failure, const char *path,
                                  FILE *stream) {
    law law = law_named(failure->law);
    char *file = reproducer_path_from_root(path), *command = reproducer_command(run, file, "bug");
    free(file);
    if (!command) return false;
    fprintf(stream, "// %s at check level %d breaks the law %s%s%s.\n",
            run->allocator ? run->allocator->name : run->target->name, reproducer_check_level(run),
            failure->law, law == LAW_NONE ? "" : ": ", law == LAW_NONE ? "" : law_texts[law]);
    fprintf(stream,
            "// %s\n//\n// In linmem's repository:\n//\n//     %s && ./bug\n//\n"
            "// It exits with 1 and says what is broken, or with 0. Start reading at the end.\n",
            failure->how, command);
    reproducer_kind_of(run)->print_head(run, stream);
    free(command);
    return true;
}

// Copies the source file with which all reproducers of a kind begin, and the files of fuzz/ that it
// includes. Headers of alloc/ stay included, because reproducers are compiled beside them.
static bool reproducer_copy_beginning(const char *name, FILE *stream) {
    char path[4096], line[4096], *included = NULL;
    bool good = true;
    snprintf(path, sizeof path, "%s/%s", LINMEM_SOURCE_DIR, name);
    FILE *source = fopen(path, "r");
    if (!source) return false;
    while (good && fgets(line, sizeof line, source)) {
        if (sscanf(line, "#include \"%m[a-z/_.]\"", &included) == 1) {
            bool beside = strncmp(included, "alloc/", 6) == 0;
            if (beside) fputs(line, stream);
            if (!beside) good = reproducer_copy_beginning(included, stream);
            free(included);
        } else if (strcmp(line, "#pragma once\n") != 0) {
            fputs(line, stream);
        }
    }
    return fclose(source) == 0 && good;
}

bool reproducer_write(const trace_run *run, const trace *trace, const failure *failure,
                      const char *path) {
    const kind *kind = reproducer_kind_of(run);
    whole_file file;
    if (!whole_file_open(&file, path)) return false;
    if (!reproducer_print_head(run, failure, path, file.stream) ||
        (kind->begins_with && !reproducer_copy_beginning(kind->begins_with, file.stream))) {
        int reason = errno;
        whole_file_abandon(&file);
        errno = reason;
        return false;
    }
    fputs("\n// ---- The bug "
          "------------------------------------------------------------------------------------"
          "\n\nint main(void) {\n",
          file.stream);
    kind->print_calls(run, trace, failure, file.stream);
    fputs("    return end();\n}\n", file.stream);
    return whole_file_commit(&file);
}
