#include "fuzz/score/mutant_list.h"

#include "cli/child.h"
#include "cli/file.h"
#include "cli/json.h"
#include "cli/options.h"
#include "cli/random.h"
#include "cli/text.h"

#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ERROR_BYTES = 300 };

static void *or_fail(void *block) {
    if (!block) options_fail("out of memory");
    return block;
}

// Returns NULL with errno set on failure.
static char *read_text(const char *root, const char *path) {
    size_t size;
    char *full = text_format("%s/%s", root, path), *text = file_read(full, &size);
    int reason = errno;
    free(full);
    errno = reason;
    return text;
}

// ---- Named ones ---------------------------------------------------------------------------------

// Returns the value of "KEY: VALUE" in the header, which ends at the first empty line, or NULL; the
// caller frees it.
static char *head_value(const char *text, const char *key) {
    size_t length = strlen(key);
    for (const char *line = text; *line && *line != '\n'; line += strcspn(line, "\n") + 1) {
        if (strncmp(line, key, length) == 0 && strncmp(line + length, ": ", 2) == 0)
            return strndup(line + length + 2, strcspn(line + length + 2, "\n"));
        if (!line[strcspn(line, "\n")]) break;
    }
    return NULL;
}

static char **append(char **words, size_t count, char *word) {
    words = or_fail(realloc(words, (count + 2) * sizeof *words));
    words[count] = or_fail(word);
    words[count + 1] = NULL;
    return words;
}

// "a, b"
static char **split_words(const char *text) {
    char **words = or_fail(calloc(1, sizeof *words));
    for (size_t count = 0; *text; count++) {
        size_t length = strcspn(text, ", ");
        words = append(words, count, strndup(text, length));
        text += length + strspn(text + length, ", ");
    }
    return words;
}

static char **changed_files(const char *text) {
    char **files = or_fail(calloc(1, sizeof *files));
    size_t count = 0;
    for (const char *at = text; (at = strstr(at, "\n+++ b/")); at++)
        files = append(files, count++, strndup(at + 7, strcspn(at + 7, "\t\n")));
    return files;
}

static bool read_patch(mutant *m, const char *root, const char *path, char *error) {
    char *text = read_text(root, path);
    if (!text) {
        snprintf(error, ERROR_BYTES, "%s: %s", path, strerror(errno));
        return false;
    }
    const char *begin = strrchr(path, '/') + 1;
    char *allocators = head_value(text, "Allocator");
    *m = (mutant){
        .name = or_fail(strndup(begin, strlen(begin) - strlen(".patch"))),
        .class = head_value(text, "Class"),
        .target = head_value(text, "Target"),
        .source = head_value(text, "Source"),
        .what = head_value(text, "What"),
        .allocators = split_words(allocators ? allocators : ""),
        .files = changed_files(text),
        .patch = or_fail(strdup(path)),
    };
    free(allocators);
    free(text);
    const char *missing = !m->class         ? "Class"
                          : !m->target      ? "Target"
                          : !m->source      ? "Source"
                          : !m->what        ? "What"
                          : !*m->allocators ? "Allocator"
                          : !*m->files      ? "+++ b/"
                                            : NULL;
    if (missing) snprintf(error, ERROR_BYTES, "%s: no line '%s'", path, missing);
    return !missing;
}

// Returns the matching paths below the root, to be freed with globfree.
static glob_t matching(const char *root, const char *pattern) {
    glob_t found = {0};
    char *full = NULL;
    if (asprintf(&full, "%s/%s", root, pattern) < 0) options_fail("out of memory");
    int status = glob(full, GLOB_BRACE, NULL, &found);
    if (status != 0 && status != GLOB_NOMATCH) options_fail("%s: cannot be read", full);
    free(full);
    return found;
}

static bool read_named(mutant_list *list, const char *root, char *error) {
    glob_t paths = matching(root, "fuzz/score/mutants/*.patch");
    list->at = or_fail(calloc(paths.gl_pathc + 1, sizeof *list->at));
    bool read = true;
    for (size_t i = 0; read && i < paths.gl_pathc; i++) {
        const char *path = paths.gl_pathv[i] + strlen(root) + 1;
        read = read_patch(&list->at[list->count++], root, path, error);
    }
    list->named = list->count;
    globfree(&paths);
    return read;
}

// ---- Generated ones -----------------------------------------------------------------------------

// Returns the stream's last line that is not empty, which says why a program failed; the caller
// frees it.
static char *last_line(FILE *stream) {
    char *line = NULL, *last = or_fail(strdup(""));
    size_t room = 0;
    rewind(stream);
    while (getline(&line, &room, stream) > 0) {
        line[strcspn(line, "\n")] = '\0';
        if (!*line) continue;
        free(last);
        last = or_fail(strdup(line));
    }
    free(line);
    return last;
}

// Runs mutate.py; returns what it prints, or NULL with the reason in `error`.
static json_t *run_generator(const char *root, char *error) {
    FILE *output = or_fail(tmpfile()), *errors = or_fail(tmpfile());
    const char *const argv[] = {"sh",
                                "-c",
                                "exec python3 \"$0\" \"$1\" >&3 2>&4",
                                LINMEM_SOURCE_DIR "/fuzz/score/mutate.py",
                                root,
                                NULL};
    const int descriptors[] = {fileno(output), fileno(errors)};
    child_options options = {
        .argv = argv, .descriptors = descriptors, .descriptor_count = 2, .cpu = -1};
    child_end end = {.text = "cannot be started"};
    pid_t pid = child_start(&options);
    if (pid > 0) child_wait(pid, 0, &end);
    json_error_t wrong = {.text = ""};
    rewind(output);
    json_t *found = end.ok ? json_loadf(output, 0, &wrong) : NULL;
    char *line = last_line(errors);
    if (end.exit_status == 127)
        snprintf(
            error, ERROR_BYTES,
            "generated mutants need python3 and libclang's binding (Debian: python3-clang-19)");
    else if (!found)
        snprintf(error, ERROR_BYTES, "%s", *line ? line : *end.text ? end.text : wrong.text);
    free(line);
    fclose(output);
    fclose(errors);
    return found;
}

// FNV-1a (Fowler, Noll, Vo).
static uint32_t hash(const char *text) {
    uint32_t value = 2166136261;
    for (; *text; text++)
        value = (value ^ (uint8_t)*text) * 16777619;
    return value;
}

// Returns the file's users, beginning with one chosen by a hash of the mutant's name.
static char **users_from(const json_t *users, const char *name) {
    char **words = or_fail(calloc(1, sizeof *words));
    size_t count = json_array_size(users), first = hash(name);
    for (size_t i = 0; i < count; i++)
        words =
            append(words, i, strdup(json_string_value(json_array_get(users, (first + i) % count))));
    return words;
}

static void add_generated(mutant_list *list, json_t *entry) {
    const char *name, *class, *file, *text, *what;
    json_t *users;
    json_int_t from, to;
    if (json_unpack(entry, "{s:s, s:s, s:s, s:o, s:I, s:I, s:s, s:s}", "name", &name, "class",
                    &class, "file", &file, "users", &users, "from", &from, "to", &to, "text", &text,
                    "what", &what) != 0)
        options_fail("mutate.py: a mutant without all fields");
    mutant made = {
        .name = or_fail(strdup(name)),
        .class = or_fail(strdup(class)),
        .source = or_fail(strdup("generated")),
        .what = or_fail(strdup(what)),
        .allocators = users_from(users, name),
        .files = append(NULL, 0, strdup(file)),
        .from = (size_t)from,
        .to = (size_t)to,
        .text = or_fail(strdup(text)),
    };
    bool buffers = strcmp(made.allocators[0], "buffers") == 0;
    made.target = or_fail(strdup(buffers ? "buffers" : "heap"));
    list->at[list->count++] = made;
}

typedef struct ticket {
    double place;
    mutant mutant;
} ticket;

static int by_place(const void *a, const void *b) {
    double one = ((const ticket *)a)->place, other = ((const ticket *)b)->place;
    return (one > other) - (one < other);
}

// The r-th of a file's n mutants, shuffled, is placed in the r-th n-th of the whole.
void mutants_shuffle(mutant *at, size_t count, uint64_t seed) {
    ticket *tickets = or_fail(calloc(count + 1, sizeof *tickets));
    for (size_t first = 0, end; first < count; first = end) {
        for (end = first; end < count && strcmp(at[end].files[0], at[first].files[0]) == 0;)
            end++;
        for (size_t i = end - 1; i > first; i--) {
            size_t other = first + random_next(&seed) % (i - first + 1);
            mutant m = at[i];
            at[i] = at[other];
            at[other] = m;
        }
        for (size_t i = first; i < end; i++) {
            double within = (double)(random_next(&seed) >> 11) * 0x1p-53;
            tickets[i] = (ticket){((double)(i - first) + within) / (double)(end - first), at[i]};
        }
    }
    qsort(tickets, count, sizeof *tickets, by_place);
    for (size_t i = 0; i < count; i++)
        at[i] = tickets[i].mutant;
    free(tickets);
}

// ---- Reasons ------------------------------------------------------------------------------------

// Returns the indented lines after the line that is the key, joined; or NULL. The caller frees it.
static char *find_reason(const char *text, const char *key) {
    size_t length = strlen(key);
    const char *line = text;
    while (strncmp(line, key, length) != 0 || line[length] != '\n') {
        line = strchr(line, '\n');
        if (!line) return NULL;
        line++;
    }
    char *reason = NULL;
    size_t size;
    FILE *to = or_fail(open_memstream(&reason, &size));
    for (line += length + 1; *line == ' ';) {
        line += strspn(line, " ");
        fprintf(to, "%s%.*s", ftell(to) > 0 ? " " : "", (int)strcspn(line, "\n"), line);
        line += strcspn(line, "\n");
        line += *line == '\n';
    }
    fclose(to);
    return reason;
}

// A reason follows a line "FILE: BEFORE  =>  AFTER", indented. The file may be missing.
static void read_reasons(mutant_list *list, const char *root) {
    char *text = read_text(root, "fuzz/score/mutants/survivors.txt");
    for (size_t i = list->named; text && i < list->count; i++) {
        mutant *m = &list->at[i];
        char *key = NULL;
        if (asprintf(&key, "%s: %s", strrchr(m->files[0], '/') + 1, m->what) < 0)
            options_fail("out of memory");
        m->reason = find_reason(text, key);
        free(key);
    }
    free(text);
}

// ---- The list -----------------------------------------------------------------------------------

bool mutant_list_read(mutant_list *list, const char *root, char *error) {
    *list = (mutant_list){0};
    return read_named(list, root, error);
}

bool mutant_list_generate(mutant_list *list, const char *root, uint64_t seed, char *error) {
    json_t *found = run_generator(root, error), *entry;
    if (!found) return false;
    size_t index, count = json_array_size(found);
    list->at = or_fail(realloc(list->at, (list->count + count + 1) * sizeof *list->at));
    json_array_foreach(found, index, entry) add_generated(list, entry);
    json_decref(found);
    mutants_shuffle(list->at + list->named, count, seed);
    read_reasons(list, root);
    return true;
}

static void free_words(char **words) {
    for (char **word = words; word && *word; word++)
        free(*word);
    free(words);
}

void mutant_list_free(mutant_list *list) {
    for (size_t i = 0; i < list->count; i++) {
        mutant *m = &list->at[i];
        char *texts[] = {m->name, m->class,  m->target, m->source,
                         m->what, m->reason, m->patch,  m->text};
        for (size_t t = 0; t < sizeof texts / sizeof *texts; t++)
            free(texts[t]);
        free_words(m->allocators);
        free_words(m->files);
    }
    free(list->at);
    *list = (mutant_list){0};
}

const mutant *mutant_named(const mutant_list *list, const char *name) {
    for (size_t i = 0; i < list->count; i++)
        if (strcmp(list->at[i].name, name) == 0) return &list->at[i];
    return NULL;
}

char *mutant_apply(const mutant *m, const char *text) {
    return text_format("%.*s%s%s", (int)m->from, text, m->text, text + m->to);
}

json_t *mutant_json(const mutant *m) {
    json_t *allocators = json_array();
    for (char **allocator = m->allocators; *allocator; allocator++)
        json_add(allocators, json_text(*allocator));
    return json_fields("name", json_text(m->name), "class", json_text(m->class), //
                       "target", json_text(m->target), "source", json_text(m->source), "what",
                       json_text(m->what), "allocators", allocators, "generated",
                       json_boolean(m->patch == NULL), "reason", json_text(m->reason), NULL);
}
