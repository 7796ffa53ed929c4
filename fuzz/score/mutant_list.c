#include "fuzz/score/mutant_list.h"

#include "cli/file.h"
#include "cli/json.h"
#include "cli/options.h"
#include "cli/text.h"

#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { USERS_MAX = 64, ERROR_BYTES = 300 };

static void *or_fail(void *block) {
    if (!block) options_fail("out of memory");
    return block;
}

// NULL: with errno.
static char *read_text(const char *root, const char *path) {
    size_t size;
    char *full = text_format("%s/%s", root, path), *text = file_read(full, &size);
    int reason = errno;
    free(full);
    errno = reason;
    return text;
}

// ---- Named ones ---------------------------------------------------------------------------------

// What stands behind "KEY: " in the head lines, which end with the first empty one; to be freed.
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
    if (missing) snprintf(error, ERROR_BYTES, "%s: there is no line '%s'", path, missing);
    return !missing;
}

// The paths from the root that match; to be freed with globfree.
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

// A source of what is fuzzed, and who is built of it: strategies, or "buffers".
typedef struct part {
    char *path;
    char *users[USERS_MAX + 1];
    size_t user_count;
} part;

typedef struct parts {
    part *at;
    size_t count;
} parts;

static bool same(const char *text, size_t length, const char *word) {
    return strlen(word) == length && memcmp(text, word, length) == 0;
}

// The memory that heaps lie in, and the contract, are what is watched with, not what is watched.
static bool is_watched(const char *path, size_t length) {
    return strncmp(path, "alloc/", 6) == 0 && !same(path, length, "alloc/allocator.h") &&
           !same(path, length, "alloc/linear_memory.h");
}

// Adds a source and all that it includes to what the user is built of.
static bool add_part(parts *all, mutant_list *list, const char *root, const char *path,
                     const char *user, char *error) {
    size_t i = 0;
    while (i < all->count && strcmp(all->at[i].path, path) != 0)
        i++;
    if (i == all->count) {
        all->at = or_fail(realloc(all->at, (i + 1) * sizeof *all->at));
        list->sources = or_fail(realloc(list->sources, (i + 1) * sizeof *list->sources));
        char *text = read_text(root, path);
        if (!text) {
            snprintf(error, ERROR_BYTES, "%s: %s", path, strerror(errno));
            return false;
        }
        all->at[all->count++] = (part){.path = or_fail(strdup(path))};
        list->sources[list->source_count++] = (mutate_source){all->at[i].path, text};
    }
    part *p = &all->at[i];
    if (p->user_count == USERS_MAX) options_fail("too many strategies");
    if (p->user_count > 0 && strcmp(p->users[p->user_count - 1], user) == 0) return true;
    p->users[p->user_count++] = or_fail(strdup(user));
    bool added = true;
    for (const char *at = list->sources[i].text; added && (at = strstr(at, "#include \"")); at++) {
        size_t length = strcspn(at + 10, "\"");
        if (!is_watched(at + 10, length)) continue;
        char *included = or_fail(strndup(at + 10, length));
        added = add_part(all, list, root, included, user, error);
        free(included);
    }
    return added;
}

static bool find_parts(parts *all, mutant_list *list, const char *root, char *error) {
    static const char *const buffers[] = {"alloc/buffers/counts.c", "alloc/buffers/buffer_table.c",
                                          "alloc/buffers/finalizer.c", "alloc/buffers/view.c"};
    glob_t paths = matching(root, "alloc/strategies/{,*/}*.c");
    bool found = true;
    for (size_t i = 0; found && i < paths.gl_pathc; i++) {
        const char *path = paths.gl_pathv[i] + strlen(root) + 1, *file = strrchr(path, '/') + 1;
        if (strlen(file) > 7 && strcmp(file + strlen(file) - 7, "_test.c") == 0) continue;
        char *user = or_fail(strndup(file, strlen(file) - 2));
        found = add_part(all, list, root, path, user, error);
        free(user);
    }
    for (size_t i = 0; found && i < sizeof buffers / sizeof *buffers; i++)
        found = add_part(all, list, root, buffers[i], "buffers", error);
    globfree(&paths);
    return found;
}

// FNV-1a (Fowler, Noll, Vo).
static uint32_t hash(const char *text) {
    uint32_t value = 2166136261;
    for (; *text; text++)
        value = (value ^ (uint8_t)*text) * 16777619;
    return value;
}

// All users, and first one that is drawn by the mutant's name.
static char **users_from(const part *p, const char *name) {
    char **users = or_fail(calloc(1, sizeof *users));
    uint32_t first = hash(name);
    for (size_t i = 0; i < p->user_count; i++)
        users = append(users, i, strdup(p->users[(first + i) % p->user_count]));
    return users;
}

static char *describe(const mutation *m, const char *text) {
    char *before, *after, *what = NULL;
    mutate_show(m, text, &before, &after);
    for (char *c = before; *c; c++)
        if (*c == '\n') *c = ' ';
    for (char *c = after; *c; c++)
        if (*c == '\n') *c = ' ';
    if (asprintf(&what, "%s  =>  %s", before, after) < 0) options_fail("out of memory");
    free(before);
    free(after);
    return what;
}

static void add_generated(mutant_list *list, const parts *all, const mutation *m) {
    const part *p = &all->at[m->source];
    mutant made = {
        .name = or_fail(strdup(m->name)),
        .class = or_fail(strdup(mutation_kinds[m->kind])),
        .source = or_fail(strdup("generated")),
        .what = describe(m, list->sources[m->source].text),
        .allocators = users_from(p, m->name),
        .files = append(NULL, 0, strdup(p->path)),
        .mutation = m,
    };
    bool buffers = strcmp(made.allocators[0], "buffers") == 0;
    made.target = or_fail(strdup(buffers ? "buffers" : "heap"));
    list->at[list->count++] = made;
}

static bool read_generated(mutant_list *list, const char *root, uint64_t seed, char *error) {
    parts all = {0};
    bool read = find_parts(&all, list, root, error) &&
                mutate_find(&list->mutations, list->sources, list->source_count, error);
    if (read) {
        mutate_shuffle(&list->mutations, seed);
        size_t count = list->named + list->mutations.count;
        list->at = or_fail(realloc(list->at, (count + 1) * sizeof *list->at));
        for (size_t i = 0; i < list->mutations.count; i++)
            add_generated(list, &all, &list->mutations.at[i]);
    }
    for (size_t i = 0; i < all.count; i++)
        for (size_t u = 0; u < all.at[i].user_count; u++)
            free(all.at[i].users[u]);
    free(all.at); // the paths are the sources' now
    return read;
}

// ---- Reasons ------------------------------------------------------------------------------------

// Where a key begins a line and ends it, the lines behind it that are indented, as one; or NULL.
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

// "FILE: BEFORE  =>  AFTER", then the reason, indented. No file: no reasons.
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

bool mutant_list_read(mutant_list *list, const char *root, uint64_t seed, char *error) {
    *list = (mutant_list){0};
    bool read = read_named(list, root, error) && read_generated(list, root, seed, error);
    if (read) read_reasons(list, root);
    return read;
}

static void free_words(char **words) {
    for (char **word = words; word && *word; word++)
        free(*word);
    free(words);
}

void mutant_list_free(mutant_list *list) {
    for (size_t i = 0; i < list->count; i++) {
        mutant *m = &list->at[i];
        char *texts[] = {m->name, m->class, m->target, m->source, m->what, m->reason, m->patch};
        for (size_t t = 0; t < sizeof texts / sizeof *texts; t++)
            free(texts[t]);
        free_words(m->allocators);
        free_words(m->files);
    }
    for (size_t i = 0; i < list->source_count; i++) {
        free((char *)list->sources[i].path);
        free((char *)list->sources[i].text);
    }
    mutations_free(&list->mutations);
    free(list->sources);
    free(list->at);
    *list = (mutant_list){0};
}

const mutant *mutant_named(const mutant_list *list, const char *name) {
    for (size_t i = 0; i < list->count; i++)
        if (strcmp(list->at[i].name, name) == 0) return &list->at[i];
    return NULL;
}

char *mutant_text(const mutant_list *list, const mutant *m) {
    // Counted: what counts is empty in builds that do not.
    return mutate_apply(m->mutation, list->sources[m->mutation->source].text, true);
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
