#include "fuzz/score/mutant_build.h"

#include "cli/child.h"
#include "cli/file.h"
#include "cli/options.h"
#include "cli/text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ERROR_BYTES = 300, ARGUMENTS_MAX = 8 };

// Runs a command with its output in a file. Returns the output. On failure returns NULL, and
// `error` has how the command ended and the output's first line with "error: ", or its first line.
static char *build_run(const char *const *argv, const char *log, double seconds, const char *what,
                       char *error) {
    const char *all[ARGUMENTS_MAX + 5] = {"sh", "-c", "exec \"$@\" >\"$0\" 2>&1", log};
    for (size_t i = 0; i < ARGUMENTS_MAX && argv[i]; i++)
        all[4 + i] = argv[i];
    child_options options = {.argv = all, .cpu = -1};
    child_end end = {.ok = false};
    pid_t pid = child_start(&options);
    snprintf(end.text, sizeof end.text, "cannot be started: %s", strerror(errno));
    if (pid > 0) child_wait(pid, seconds, &end);
    size_t size;
    char *text = file_read(log, &size), *line = text ? strstr(text, "error: ") : NULL;
    unlink(log);
    if (end.ok && text) return text;
    if (text && !line) line = text;
    int length = line ? (int)strcspn(line, "\n") : 0;
    snprintf(error, ERROR_BYTES, "%.80s: %s: %.*s", what, end.text, length, line ? line : "");
    free(text);
    return NULL;
}

// ---- Programs -----------------------------------------------------------------------------------

// The paths of the repository and of build folders are words of commands and of ninja's files.
static bool build_is_plain(const char *root) {
    return root[strspn(root, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-+,"
                             "@%=")] == '\0';
}

bool mutant_builder_open(mutant_builder *b, const char *root, char *error) {
    if (!build_is_plain(root)) {
        snprintf(error, ERROR_BYTES,
                 "%.200s: mutants cannot be built in a path with spaces or quotes", root);
        *b = (mutant_builder){0};
        return false;
    }
    *b = (mutant_builder){.root = root, .build = text_format("%s/build/fuzz", root)};
    char *ninja = text_format("%s/build.ninja", b->build),
         *own = text_format("%s/mutants", b->build);
    bool there = access(ninja, R_OK) == 0, made = there && file_make_directory(own);
    if (!there)
        snprintf(error, ERROR_BYTES, "preset fuzz is not configured; run: cmake --preset fuzz");
    else if (!made)
        snprintf(error, ERROR_BYTES, "%s: %s", own, strerror(errno));
    free(ninja);
    free(own);
    if (!made) mutant_builder_close(b);
    return made;
}

void mutant_builder_close(mutant_builder *b) {
    free(b->build);
    *b = (mutant_builder){0};
}

// Runs ninja in the build folder with up to three arguments. Returns its output, or NULL.
static char *build_ninja(const mutant_builder *b, const char *name, char *error, const char *one,
                         const char *two, const char *three) {
    char *log = text_format("%s/mutants/ninja-%s", b->build, name);
    const char *const argv[] = {"ninja", "-C", b->build, one, two, three, NULL};
    char *said = build_run(argv, log, 0, name, error);
    free(log);
    return said;
}

// Returns the line of the text that is `word`, or NULL.
static const char *build_find_line(const char *text, const char *word) {
    size_t length = strlen(word);
    for (const char *at = text; (at = strstr(at, word)); at++)
        if ((at == text || at[-1] == '\n') && at[length] == '\n') return at;
    return NULL;
}

// Cuts the next block of lines, which ends at an empty line, off the text. Returns NULL at the end.
static char *build_next_block(char **text) {
    char *block = *text + strspn(*text, "\n"), *line = block;
    while (*line && *line != '\n') {
        line += strcspn(line, "\n");
        line += *line == '\n';
    }
    *text = line + (*line == '\n');
    *line = '\0';
    return *block ? block : NULL;
}

// Reads the statements of the outputs in `inputs`, and of the program.
static void build_read_statements(program_build *p, const char *inputs) {
    static const char begin[] = "build ";
    size_t capacity = 0;
    char *rest = p->ninja;
    for (char *block; (block = build_next_block(&rest));) {
        if (strncmp(block, begin, strlen(begin)) != 0) continue;
        const char *word = block + strlen(begin);
        char *output = text_format("%.*s", (int)strcspn(word, ": "), word);
        if (strcmp(output, p->name) != 0 && !build_find_line(inputs, output)) {
            free(output);
            continue;
        }
        if (p->count == capacity) {
            capacity = 2 * capacity + 64;
            p->statements = realloc(p->statements, capacity * sizeof *p->statements);
            if (!p->statements) options_fail("out of memory");
        }
        p->statements[p->count++] = (build_statement){.text = block, .output = output};
    }
}

// ninja prints "OBJECT: #deps …", a line "    FILE" for each dependency, and an empty line.
static void build_read_dependencies(program_build *p) {
    char *rest = p->objects;
    for (char *block; (block = build_next_block(&rest));) {
        char *colon = strchr(block, ':');
        for (size_t i = 0; colon && i < p->count; i++) {
            size_t length = strlen(p->statements[i].output);
            if ((size_t)(colon - block) == length &&
                memcmp(block, p->statements[i].output, length) == 0)
                p->statements[i].dependencies = colon;
        }
    }
}

bool program_build_read(program_build *p, const mutant_builder *b, const char *name,
                        const char *explored, char *error) {
    size_t size;
    *p = (program_build){0};
    char *built = build_ninja(b, name, error, name, "mutant_counts", NULL);
    if (!built) return false;
    free(built);
    char *path = text_format("%s/build.ninja", b->build), *inputs = NULL;
    p->name = text_format("%s", name);
    if (explored) p->explored = text_format("-DEXPLORED=%s ", explored);
    p->ninja = file_read(path, &size);
    free(path);
    if (!p->ninja) snprintf(error, ERROR_BYTES, "build.ninja: %s", strerror(errno));
    if (p->ninja) inputs = build_ninja(b, name, error, "-t", "inputs", name);
    if (inputs) p->objects = build_ninja(b, name, error, "-t", "deps", NULL);
    bool read = p->objects;
    if (read) {
        build_read_statements(p, inputs);
        build_read_dependencies(p);
    } else {
        program_build_free(p);
    }
    free(inputs);
    return read;
}

void program_build_free(program_build *p) {
    for (size_t i = 0; i < p->count; i++)
        free(p->statements[i].output);
    free(p->statements);
    free(p->name);
    free(p->explored);
    free(p->ninja);
    free(p->objects);
    *p = (program_build){0};
}

// ---- A mutant's sources -------------------------------------------------------------------------

static bool build_write(const char *path, const char *text, char *error) {
    FILE *stream = fopen(path, "w");
    bool written = stream && fputs(text, stream) >= 0;
    if (stream && fclose(stream) != 0) written = false;
    if (!written) snprintf(error, ERROR_BYTES, "%s: %s", path, strerror(errno));
    return written;
}

// Runs a shell command with the arguments $1 (FOLDER), $2 and $3.
static bool build_shell(const char *line, const char *folder, const char *what, char *error,
                        const char *one, const char *two) {
    char *log = text_format("%s.log", folder);
    const char *const argv[] = {"sh", "-ec", line, "sh", folder, one, two, NULL};
    char *said = build_run(argv, log, 600, what, error);
    free(log);
    bool ok = said;
    free(said);
    return ok;
}

// Replaces bytes of the mutant's file.
static bool build_mutate(const mutant *m, const char *folder, char *error) {
    size_t size;
    char *path = text_format("%s/%s", folder, m->files[0]), *text = file_read(path, &size);
    char *mutated = text ? mutant_apply(m, text) : NULL;
    if (!text) snprintf(error, ERROR_BYTES, "%s: %s", path, strerror(errno));
    bool written = mutated && build_write(path, mutated, error);
    free(path);
    free(text);
    free(mutated);
    return written;
}

// Writes the file by which clang reads the mutant's files in place of the original ones.
static bool build_write_overlay(const mutant_builder *b, const mutant *m, const char *folder,
                                char *error) {
    char *path = text_format("%s/overlay.json", folder), *text = NULL;
    size_t size;
    FILE *to = open_memstream(&text, &size);
    if (!to) options_fail("out of memory");
    fputs("{\"version\": 0, \"use-external-names\": false, \"roots\": [", to);
    for (char **file = m->files; *file; file++)
        fprintf(to,
                "%s\n  {\"type\": \"file\", \"name\": \"%s/%s\", \"external-contents\": "
                "\"%s/%s\"}",
                file > m->files ? "," : "", b->root, *file, folder, *file);
    fputs("]}\n", to);
    fclose(to);
    bool written = build_write(path, text, error);
    free(path);
    free(text);
    return written;
}

bool mutant_prepare(const mutant_builder *b, const mutant *m, const char *folder, char *error) {
    if (!build_shell("rm -rf \"$1\"; mkdir -p \"$1\"", folder, m->name, error, "", ""))
        return false;
    for (char **file = m->files; *file; file++)
        if (!build_shell("mkdir -p \"$1/${3%/*}\"; cp \"$2/$3\" \"$1/$3\"", folder, m->name, error,
                         b->root, *file))
            return false;
    bool mutated = m->patch ? build_shell("patch -d \"$1\" -p1 -s -f --fuzz=0 -i \"$2/$3\"", folder,
                                          m->name, error, b->root, m->patch)
                            : build_mutate(m, folder, error);
    return mutated && build_write_overlay(b, m, folder, error);
}

// ---- Building -----------------------------------------------------------------------------------

// Writes the statement without order-only inputs, and `more` at the end of the variable's value.
static void build_print_statement(const build_statement *s, const char *variable, const char *more,
                                  FILE *to) {
    const char *ordered = strstr(s->text, " || ");
    for (const char *line = s->text; *line;) {
        size_t length = strcspn(line, "\n"), printed = length;
        if (ordered > line && ordered < line + length && line == s->text)
            printed = (size_t)(ordered - line);
        bool added = strncmp(line, variable, strlen(variable)) == 0;
        fprintf(to, "%.*s%s\n", (int)printed, line, added ? more : "");
        line += length + (line[length] == '\n');
    }
    fputc('\n', to);
}

// Whether an object depends on one of the files. A compiler launcher may report relative paths.
static bool build_depends(const build_statement *s, char *const *files) {
    bool depends = false;
    for (; s->dependencies && *files; files++) {
        char *end = text_format("/%s\n", *files);
        depends |= strstr(s->dependencies, end) != NULL;
        free(end);
    }
    return depends;
}

// Whether the program runs the object: a score runs targets and the explorer at check level 1, so
// that objects of other levels are not used, nor the explorer's objects of other strategies. Nor
// does the linker take a member of an archive if the program links an object of the same source
// directly, or a member that is a strategy if it links any strategy directly.
static bool build_runs(const program_build *p, const build_statement *s) {
    static const char strategies[] = ".dir/alloc/strategies/";
    bool other_level = strstr(s->text, "-DLM_CHECK_LEVEL=") &&
                       !strstr(s->text, "-DLM_CHECK_LEVEL=1") && !strstr(s->text, "-DLM_VARIANT=");
    bool other_strategy =
        p->explored && strstr(s->text, "-DEXPLORED=") && !strstr(s->text, p->explored);
    const char *source = strstr(s->output, ".dir/"), *link = "";
    for (size_t i = 0; i < p->count; i++)
        if (strcmp(p->statements[i].output, p->name) == 0) link = p->statements[i].text;
    bool strategy = source && strncmp(source, strategies, strlen(strategies)) == 0;
    bool spare = source && !strstr(link, s->output) &&
                 (strstr(link, source) || (strategy && strstr(link, strategies)));
    return !other_level && !other_strategy && !spare;
}

// Writes FOLDER/build.ninja, which compiles the program's objects that depend on the mutant's files
// with `flags` and then, unless `linked` is NULL, makes all archives and links the program with
// `linked`. Removes the objects that it compiles from the folder. Returns their number.
static size_t build_print(const mutant_builder *b, const program_build *p, const mutant *m,
                          const char *folder, const char *flags, const char *linked) {
    size_t count = 0;
    char *path = text_format("%s/build.ninja", folder);
    FILE *to = fopen(path, "w");
    if (!to) options_fail("%s: %s", path, strerror(errno));
    fprintf(to, "include %s/CMakeFiles/rules.ninja\n\n", b->build);
    for (size_t i = 0; i < p->count; i++) {
        const build_statement *s = &p->statements[i];
        const char *end = strrchr(s->output, '.');
        bool links = strcmp(s->output, p->name) == 0 || (end && strcmp(end, ".a") == 0);
        if (linked && links) build_print_statement(s, "  LINK_LIBRARIES = ", linked, to);
        if (!build_depends(s, m->files) || !build_runs(p, s)) continue;
        char *object = text_format("%s/%s", folder, s->output);
        build_print_statement(s, "  FLAGS = ", flags, to);
        unlink(object); // a hard link
        free(object);
        count++;
    }
    fclose(to);
    free(path);
    return count;
}

#define FLAGS_ALL " -w -include %s/fuzz/score/mutants/mutant.h"

bool mutant_build(const mutant_builder *b, const program_build *p, const mutant *m,
                  const char *folder, build_form form, char *error) {
    bool counted = form == BUILD_COUNTED;
    char *flags = text_format(FLAGS_ALL " -ivfsoverlay %s/overlay.json%s", b->root, folder,
                              counted ? "" : " -DLM_MUTANT_SILENT");
    const char *linked =
        counted ? " CMakeFiles/mutant_counts.dir/fuzz/score/mutants/counts.c.o" : "";
    bool built = build_shell("rm -rf \"$1/CMakeFiles\"; cp -al \"$2/CMakeFiles\" \"$1\"", folder,
                             m->name, error, b->build, "");
    if (built && build_print(b, p, m, folder, flags, linked) == 0) {
        snprintf(error, ERROR_BYTES, "%s: %s does not depend on the files that it changes", m->name,
                 p->name);
        built = false;
    }
    built = built && build_shell("ninja -j1 -C \"$1\" \"$2\"", folder, m->name, error, p->name, "");
    free(flags);
    return built;
}

bool mutant_is_same_code(const mutant_builder *b, const program_build *p, const mutant *m,
                         const char *folder, bool *same, char *error) {
    static const char plain[] =
        " -DLM_MUTANT_SILENT -g0 -fno-sanitize=all "
        "-fno-sanitize-coverage=inline-8bit-counters,pc-table,trace-pc,trace-cmp";
    char *right = text_format("%s/right", folder), *wrong = text_format("%s/wrong", folder);
    char *flags = text_format(FLAGS_ALL "%s", b->root, plain);
    char *mutated = text_format("%s -ivfsoverlay %s/overlay.json", flags, folder);
    char different[ERROR_BYTES];
    bool ran = build_shell("rm -rf \"$1/right\" \"$1/wrong\"; mkdir \"$1/right\" \"$1/wrong\"",
                           folder, m->name, error, "", "");
    *same = ran && (build_print(b, p, m, right, flags, NULL) == 0 ||
                    build_print(b, p, m, wrong, mutated, NULL) == 0);
    if (ran && !*same) {
        ran = build_shell("ninja -j1 -C \"$1/right\"; ninja -j1 -C \"$1/wrong\"", folder, m->name,
                          error, "", "");
        *same = ran && build_shell("diff -r -x build.ninja -x '.ninja_*' \"$1/right\" \"$1/wrong\"",
                                   folder, m->name, different, "", "");
    }
    char *texts[] = {right, wrong, flags, mutated};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        free(texts[i]);
    return ran;
}
