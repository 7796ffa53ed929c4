#include "fuzz/score/mutant_build.h"

#include "cli/file.h"
#include "cli/options.h"
#include "cli/text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ERROR_BYTES = 300, ARGUMENTS_MAX = 40 };

bool run_logged(const char *const *argv, const char *log, double seconds, child_end *end) {
    const char *all[ARGUMENTS_MAX + 5] = {"sh", "-c", "exec \"$@\" >\"$0\" 2>&1", log};
    size_t count = 4;
    while (*argv && count < ARGUMENTS_MAX + 4)
        all[count++] = *argv++;
    child_options options = {.argv = all, .cpu = -1};
    pid_t pid = child_start(&options);
    *end = (child_end){.exit_status = -1};
    snprintf(end->text, sizeof end->text, "cannot be started: %s", strerror(errno));
    if (pid > 0) child_wait(pid, seconds, end);
    return end->ok;
}

// Writes to `error` how the child ended and the log's first line with "error: ", or its first line.
static void explain(char *error, const char *what, const char *log, const child_end *end) {
    size_t size;
    char *text = file_read(log, &size), *line = text ? strstr(text, "error: ") : NULL;
    if (text && !line) line = text;
    int length = line ? (int)strcspn(line, "\n") : 0;
    snprintf(error, ERROR_BYTES, "%.80s: %s: %.*s", what, end->text, length, line ? line : "");
    free(text);
}

// ---- What ninja knows ---------------------------------------------------------------------------

// Returns the output of a ninja tool in the build folder, or NULL with the reason in `error`.
static char *ask_ninja(const mutant_builder *b, const char *tool, const char *name, char *error) {
    char *log = text_format("%s/mutants/ninja-%s-%s", b->build, tool, name ? name : "all");
    const char *const argv[] = {"ninja", "-C", b->build, "-t", tool, name, NULL};
    child_end end;
    size_t size;
    char *said = NULL;
    if (run_logged(argv, log, 60, &end))
        said = file_read(log, &size);
    else
        explain(error, "ninja", log, &end);
    unlink(log);
    free(log);
    return said;
}

// Commands are split at spaces, as ninja prints them, so that a path must not contain characters
// that a shell interprets.
static bool is_plain(const char *root) {
    return root[strspn(root, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-+,"
                             "@%=")] == '\0';
}

bool mutant_builder_open(mutant_builder *b, const char *root, char *error) {
    if (!is_plain(root)) {
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

// Builds the original program, so that its objects exist and ninja knows their dependencies.
static bool build_right(const mutant_builder *b, const char *name, char *error) {
    char *log = text_format("%s/mutants/ninja-build-%s", b->build, name);
    const char *const argv[] = {"ninja", "-C", b->build, name, "mutant_counts", NULL};
    child_end end;
    bool built = run_logged(argv, log, 0, &end);
    if (!built) explain(error, name, log, &end);
    unlink(log);
    free(log);
    return built;
}

// Whether an object depends on a file. ninja prints "OBJECT: #deps …", a line "    FILE" for each
// dependency, and an empty line.
static bool is_made_of(const program_build *p, const char *object, const char *file) {
    size_t length = strlen(object);
    for (const char *at = p->objects; (at = strstr(at, object)); at++) {
        bool head = (at == p->objects || at[-1] == '\n') && at[length] == ':';
        if (!head) continue;
        const char *end = strstr(at, "\n\n"), *found = strstr(at, file);
        for (; found && (!end || found < end); found = strstr(found + 1, file))
            if (found[-1] == ' ' && found[strlen(file)] == '\n') return true;
        return false;
    }
    return false;
}

// Returns the word after " -o " or, for an archiver, " qc "; NULL if the command has no output.
static char *output_of(const char *command, size_t length) {
    static const char *const options[] = {" -o ", " qc "};
    for (size_t i = 0; i < 2; i++) {
        const char *found = memmem(command, length, options[i], 4);
        if (found) return strndup(found + 4, strcspn(found + 4, " \n"));
    }
    return NULL;
}

// Returns the place of a word in a command, not of a part of a longer word; or NULL.
static const char *find_word(const char *command, const char *word) {
    size_t length = strlen(word);
    for (const char *at = command; (at = strstr(at, word)); at++)
        if (at > command && at[-1] == ' ' && (at[length] == ' ' || at[length] == '\0')) return at;
    return NULL;
}

// Keeps the last step and all that it depends on, directly or not.
static void keep_needed(program_build *p) {
    bool *needed = calloc(p->count + 1, sizeof *needed);
    if (!needed) options_fail("out of memory");
    size_t kept = 0;
    for (size_t i = p->count; i-- > 0;) {
        needed[i] = i == p->count - 1;
        for (size_t later = i + 1; later < p->count && !needed[i]; later++)
            needed[i] = needed[later] && find_word(p->steps[later].command, p->steps[i].output);
    }
    for (size_t i = 0; i < p->count; i++) {
        if (needed[i]) {
            p->steps[kept++] = p->steps[i];
            continue;
        }
        free(p->steps[i].command);
        free(p->steps[i].output);
    }
    p->count = kept;
    free(needed);
}

bool program_build_read(program_build *p, const mutant_builder *b, const char *name,
                        const char *explored, char *error) {
    *p = (program_build){0};
    if (!build_right(b, name, error)) return false;
    char *commands = ask_ninja(b, "commands", name, error);
    char *objects = commands ? ask_ninja(b, "deps", NULL, error) : NULL;
    if (!objects) {
        free(commands);
        return false;
    }
    size_t most = 0;
    for (const char *c = commands; *c; c++)
        most += *c == '\n';
    *p = (program_build){
        .name = strdup(name), .objects = objects, .steps = calloc(most + 1, sizeof *p->steps)};
    if (explored) p->explored = strdup(explored);
    if (!p->name || !p->steps || !p->explored != !explored) options_fail("out of memory");
    for (const char *line = commands; *line;) {
        size_t length = strcspn(line, "\n");
        char *output = output_of(line, length);
        if (output) p->steps[p->count++] = (build_step){strndup(line, length), output};
        line += length + (line[length] == '\n');
    }
    free(commands);
    keep_needed(p);
    return true;
}

void program_build_free(program_build *p) {
    for (size_t i = 0; i < p->count; i++) {
        free(p->steps[i].command);
        free(p->steps[i].output);
    }
    free(p->objects);
    free(p->steps);
    free(p->name);
    free(p->explored);
    *p = (program_build){0};
}

// ---- A mutant's sources -------------------------------------------------------------------------

static bool write_text(const char *path, const char *text, char *error) {
    FILE *stream = fopen(path, "w");
    bool written = stream && fputs(text, stream) >= 0;
    if (stream && fclose(stream) != 0) written = false;
    if (!written) snprintf(error, ERROR_BYTES, "%s: %s", path, strerror(errno));
    return written;
}

static char *read_text(const char *path, char *error) {
    size_t size;
    char *text = file_read(path, &size);
    if (!text) snprintf(error, ERROR_BYTES, "%s: %s", path, strerror(errno));
    return text;
}

// Runs a shell command with the arguments $1 (FOLDER), $2 and $3. On failure, `error` has the first
// error of its output.
static bool shell(const char *line, const char *folder, const char *what, char *error,
                  const char *one, const char *two) {
    char *log = text_format("%s.log", folder);
    const char *const argv[] = {"sh", "-ec", line, "sh", folder, one, two, NULL};
    child_end end;
    bool ok = run_logged(argv, log, 600, &end);
    if (!ok) explain(error, what, log, &end);
    unlink(log);
    free(log);
    return ok;
}

bool mutant_prepare(const mutant_builder *b, const mutant *m, const char *folder, char *error) {
    if (!shell("rm -rf \"$1\"; mkdir -p \"$1\"; cp -r \"$2/alloc\" \"$1\"", folder, m->name, error,
               b->root, ""))
        return false;
    for (char **file = m->files; *file; file++)
        if (strncmp(*file, "alloc/", 6) != 0 &&
            !shell("mkdir -p \"$1/${3%/*}\"; cp \"$2/$3\" \"$1/$3\"", folder, m->name, error,
                   b->root, *file))
            return false;
    if (m->patch)
        return shell("patch -d \"$1\" -p1 -s -f --fuzz=0 -i \"$2/$3\"", folder, m->name, error,
                     b->root, m->patch);
    char *path = text_format("%s/%s", folder, m->files[0]), *text = read_text(path, error);
    char *mutated = text ? mutant_apply(m, text) : NULL;
    bool written = mutated && write_text(path, mutated, error);
    free(path);
    free(text);
    free(mutated);
    return written;
}

// ---- Building -----------------------------------------------------------------------------------

// How a program's steps are rewritten to build a mutant: the directories of copied sources and of
// outputs, and the options added before and after the compiler's own.
typedef struct rewriting {
    const program_build *program;
    const bool *touched; // by step
    char *const *files;  // that are changed
    const char *root, *sources, *outputs;
    const char *first, *last;
    const char *linked; // an object more
} rewriting;

// Whether the word is an output of a touched step, or the dependency file of one.
static bool is_touched(const rewriting *r, const char *word, size_t length) {
    for (size_t i = 0; i < r->program->count; i++) {
        const char *output = r->program->steps[i].output;
        size_t own = strlen(output);
        bool same = length == own || (length == own + 2 && memcmp(word + own, ".d", 2) == 0);
        if (r->touched[i] && same && memcmp(word, output, own) == 0) return true;
    }
    return false;
}

// Whether the mutant's folder has a copy of the file.
static bool is_copied(char *const *files, const char *path, size_t length) {
    bool copied = strncmp(path, "alloc/", 6) == 0;
    for (; *files && !copied; files++)
        copied = strlen(*files) == length && memcmp(*files, path, length) == 0;
    return copied;
}

static bool is_source(const rewriting *r, const char *command, const char *word, size_t length) {
    size_t root = strlen(r->root) + 1;
    return length > root && strncmp(word, r->root, root - 1) == 0 && word[root - 1] == '/' &&
           word - command > 4 && memcmp(word - 4, " -c ", 4) == 0 &&
           is_copied(r->files, word + root, length - root);
}

static void print_step(FILE *to, const rewriting *r, size_t step) {
    const char *command = r->program->steps[step].command;
    bool compiles = strstr(command, " -c ");
    const char *options =
        compiles ? strstr(command, " -") + 1 : NULL; // behind compiler and launcher
    fprintf(to, "mkdir -p \"$(dirname '%s/%s')\"\n", r->outputs, r->program->steps[step].output);
    for (const char *word = command; *word;) {
        size_t length = strcspn(word, " ");
        int size = (int)length, root = (int)strlen(r->root) + 1;
        bool made = is_touched(r, word, length);
        if (word == options) fprintf(to, "%s ", r->first);
        if (made)
            fprintf(to, "'%s'/%.*s", r->outputs, size, word);
        else if (is_source(r, command, word, length))
            fprintf(to, "%s%.*s", r->sources, size - root, word + root);
        else
            fprintf(to, "%.*s", size, word);
        if (made && memcmp(word - 4, " -o ", 4) == 0 && step == r->program->count - 1)
            fputs(r->linked, to);
        word += length;
        if (*word) fputc(*word++, to);
    }
    fprintf(to, "%s\n", compiles ? r->last : "");
}

// Whether the program runs the step's code: a score runs targets and the explorer at check level 1,
// so that code compiled for other levels is not used, nor the explorer's code of other strategies.
static bool is_played(const program_build *p, const build_step *step) {
    static const char explores[] = " -DEXPLORED=";
    const char *level = strstr(step->command, "-DLM_CHECK_LEVEL=");
    const char *explored = p->explored ? strstr(step->command, explores) : NULL;
    if (explored) {
        const char *name = explored + sizeof explores - 1;
        size_t length = strlen(p->explored);
        if (strncmp(name, p->explored, length) != 0 || name[length] != ' ') return false;
    }
    return !level || strncmp(level, "-DLM_CHECK_LEVEL=1", 18) == 0 ||
           strstr(step->command, "-DLM_VARIANT=");
}

// Whether the step compiles an archive member that the linker does not take, because the program
// links an object of the same source directly. The same holds for all strategies in archives if the
// program links one directly.
static bool is_spare(const program_build *p, size_t step) {
    static const char strategies[] = "/alloc/strategies/";
    const char *link = p->steps[p->count - 1].command;
    const char *source = strstr(p->steps[step].command, " -c ");
    bool spare = false;
    if (!source || find_word(link, p->steps[step].output)) return false;
    for (size_t i = 0; i < p->count; i++) {
        const char *other = strstr(p->steps[i].command, " -c ");
        bool same = other && (strcmp(other, source) == 0 ||
                              (strstr(other, strategies) && strstr(source, strategies)));
        spare |= same && find_word(link, p->steps[i].output);
    }
    return spare;
}

// Returns which steps depend on the mutant's files, directly or not; NULL if the program does not.
static bool *touch(const mutant_builder *b, const program_build *p, const mutant *m, char *error) {
    bool *touched = calloc(p->count + 1, sizeof *touched);
    if (!touched) options_fail("out of memory");
    for (size_t i = 0; i < p->count; i++) {
        for (char **file = m->files; *file; file++) {
            // A compiler launcher may report paths relative to the build folder, build/fuzz.
            char *path = text_format("%s/%s", b->root, *file),
                 *beside = text_format("../../%s", *file);
            touched[i] |= is_made_of(p, p->steps[i].output, path) ||
                          is_made_of(p, p->steps[i].output, beside);
            free(path);
            free(beside);
        }
        touched[i] &= is_played(p, &p->steps[i]) && !is_spare(p, i);
        for (size_t before = 0; before < i; before++)
            touched[i] |=
                touched[before] && find_word(p->steps[i].command, p->steps[before].output);
    }
    if (touched[p->count - 1]) return touched;
    snprintf(error, ERROR_BYTES, "%s: %s does not depend on the files that it changes", m->name,
             p->name);
    free(touched);
    return NULL;
}

// Writes the text to FOLDER/build.sh and runs it.
static bool run_script(const mutant *m, const char *folder, const char *text, char *error) {
    char *path = text_format("%s/build.sh", folder);
    bool ran = write_text(path, text, error) &&
               shell("sh -e \"$1/build.sh\"", folder, m->name, error, "", "");
    free(path);
    return ran;
}

bool mutant_build(const mutant_builder *b, const program_build *p, const mutant *m,
                  const char *folder, build_form form, char *error) {
    bool *touched = touch(b, p, m, error), counted = form == BUILD_COUNTED;
    if (!touched) return false;
    char *script = NULL, *sources = text_format("'%s'/", folder);
    char *first = text_format(" -w -I '%s' -include '%s/fuzz/score/mutants/mutant.h'%s", folder,
                              b->root, counted ? "" : " -DLM_MUTANT_SILENT");
    const char *linked =
        counted ? " CMakeFiles/mutant_counts.dir/fuzz/score/mutants/counts.c.o" : "";
    rewriting r = {p, touched, m->files, b->root, sources, folder, first, "", linked};
    size_t size;
    FILE *to = open_memstream(&script, &size);
    if (!to) options_fail("out of memory");
    fprintf(to, "cd '%s'\n", b->build);
    for (size_t i = 0; i < p->count; i++)
        if (touched[i]) print_step(to, &r, i);
    fclose(to);
    bool built = run_script(m, folder, script, error);
    free(script);
    free(sources);
    free(first);
    free(touched);
    return built;
}

// Prints the compilations without linking. They run in the sources' directory with relative paths,
// because object files may contain the paths.
static void print_plain(FILE *to, rewriting *r, const char *sources, const char *outputs,
                        const char *first) {
    r->outputs = outputs;
    r->first = first;
    fprintf(to, "cd '%s'\n", sources);
    for (size_t i = 0; i < r->program->count; i++)
        if (r->touched[i] && strstr(r->program->steps[i].command, " -c ")) print_step(to, r, i);
}

bool mutant_is_same_code(const mutant_builder *b, const program_build *p, const mutant *m,
                         const char *folder, bool *same, char *error) {
    bool *touched = touch(b, p, m, error);
    *same = !touched;
    if (!touched) return true;
    char *script = NULL, *right = text_format("%s/right", folder),
         *wrong = text_format("%s/wrong", folder);
    char *first =
        text_format(" -w -include '%s/fuzz/score/mutants/mutant.h' -DLM_MUTANT_SILENT", b->root);
    char *first_wrong = text_format(" -I '%s'%s", folder, first);
    rewriting r = {.program = p,
                   .touched = touched,
                   .files = m->files,
                   .root = b->root,
                   .sources = "",
                   .last = " -g0 -fno-sanitize=all -fno-sanitize-coverage=inline-8bit-counters,"
                           "pc-table,trace-pc,trace-cmp",
                   .linked = ""};
    size_t size;
    FILE *to = open_memstream(&script, &size);
    if (!to) options_fail("out of memory");
    print_plain(to, &r, b->root, right, first);
    print_plain(to, &r, folder, wrong, first_wrong);
    fprintf(to, "find '%s' '%s' -name '*.d' -delete\n", right, wrong);
    fprintf(to, "rm -f '%s/same'\n", folder); // which another program's objects may have left
    fprintf(to, "if diff -rq '%s' '%s' >/dev/null; then touch '%s/same'; fi\n", right, wrong,
            folder);
    fclose(to);
    bool ran = run_script(m, folder, script, error);
    char *mark = text_format("%s/same", folder);
    *same = ran && access(mark, F_OK) == 0;
    free(mark);
    free(script);
    free(right);
    free(wrong);
    free(first);
    free(first_wrong);
    free(touched);
    return ran;
}
