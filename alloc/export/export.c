#include "alloc/export/export.h"

#include "alloc/registry.h"

#include <errno.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>

enum { COLUMNS = 100, PATH_BYTES = 4096, FILES_MAX = 64 };

typedef struct exporting {
    FILE *to;
    const char *name, *sources, *version;
    const lm_allocator *table; // NULL: buffers
    char *written[FILES_MAX];  // paths of the files that are written once
    size_t written_count;
    bool blank; // the last line was blank
    int error;  // errno of the first failure, or 0
} exporting;

// The laws, with the tables that claim them. The table of level 1 claims all that a file can keep.
static const struct law_entry {
    const char *name, *statement;
} laws[] = {
#define LAW(name, claimed, statement) {#name, statement},
#include "alloc/conformance/laws.def"
#undef LAW
};

static bool law_is_claimed(size_t index, const lm_allocator *a) {
    const bool claims[] = {
#define LAW(name, claimed, statement) claimed,
#include "alloc/conformance/laws.def"
#undef LAW
    };
    return claims[index];
}

static bool ends_with(const char *text, const char *end) {
    size_t length = strlen(text), tail = strlen(end);
    return length >= tail && strcmp(text + length - tail, end) == 0;
}

// Reads a source, to be freed. On failure records it and returns NULL.
static char *read_source(exporting *e, const char *path) {
    char full[PATH_BYTES];
    snprintf(full, sizeof full, "%s/%s", e->sources, path);
    FILE *stream = fopen(full, "r");
    char *text = NULL;
    size_t capacity = 0;
    // Sources have no NUL, so this reads to the end.
    if (!stream || getdelim(&text, &capacity, '\0', stream) < 0) {
        if (!e->error) e->error = stream && !errno ? EIO : errno;
        free(text);
        text = NULL;
    }
    if (stream) fclose(stream);
    return text;
}

// ---- Comments ----------------------------------------------------------------------------------

static void put_line(exporting *e, const char *line) {
    bool blank = *line == '\0';
    if (!(blank && e->blank)) fprintf(e->to, "%s\n", line);
    e->blank = blank;
}

// Writes a comment that begins with `head` in its first line and is aligned behind it in others.
static void put_wrapped(exporting *e, const char *head, const char *text) {
    int column = fprintf(e->to, "//%s", head), indent = (int)strlen(head) + 2;
    for (const char *word = text; *word; word += strspn(word, " ")) {
        int length = (int)strcspn(word, " ");
        bool first = column == indent;
        if (!first && column + 1 + length > COLUMNS)
            column = fprintf(e->to, "\n//%*s", indent - 2, "") - 1, first = true;
        column += fprintf(e->to, "%s%.*s", first ? "" : " ", length, word);
        word += length;
    }
    fputc('\n', e->to);
    e->blank = false;
}

static void put_facts(exporting *e) {
    const lm_allocator *a = e->table;
    if (!a) {
        put_wrapped(e, " ",
                    "buffers.c: reference-counted buffers in linear memories, shared by managed "
                    "and manual code, with typed views and finalizers.");
        put_wrapped(e, " ", e->version);
        return;
    }
    fprintf(e->to, "// %s.c: an allocator for a linear memory, as WebAssembly has.\n", a->name);
    put_wrapped(e, " ", e->version);
    put_line(e, "//");
    put_wrapped(e, " Idea:  ", a->idea);
    put_wrapped(e, " Bound: ", a->bound);
    put_line(e, "//");
    put_line(e, "// Capabilities:");
    put_line(e, "//");
#define CAPABILITY(constant, bit, name, meaning)                                                   \
    if (a->capabilities & constant) put_wrapped(e, "     " name ": ", meaning);
#include "alloc/capabilities.def"
#undef CAPABILITY
}

static void put_threads(exporting *e) {
    if (!(e->table->capabilities & LM_FREES_BLOCKS)) {
        put_wrapped(e, " ",
                    "Freeing: single blocks are not freed, and free does nothing; reset frees all "
                    "blocks. With nests-scopes, open_scope and close_scope of the table free the "
                    "blocks that were allocated between.");
        put_line(e, "//");
    }
    put_wrapped(e, " ",
                e->table->capabilities & LM_SHARES_THREADS
                    ? "Threads: any number may call the entry points at once, but for reset. The "
                      "first 63 have numbers and heaps of their own; a number is used again after "
                      "its thread has ended. Further threads share the last number, under a lock. "
                      "After fork in a program with several threads the child must not call. On "
                      "wasm32 without -pthread, one thread at a time calls the entry points. The "
                      "table takes a view of the memory for each thread, with its number."
                    : "Threads: one at a time calls. Nothing here takes a lock: with "
                      "LINMEM_REPLACE_MALLOC that is a program with one thread.");
}

static void put_laws(exporting *e) {
    static const char *const of_buffers[] = {"count", "death", "safepoint", "quiescence", "status"};
    const lm_allocator *checked = e->table ? lm_strategy_named(e->name, 1) : NULL;
    for (size_t i = 0; i < sizeof laws / sizeof *laws; i++) {
        bool kept = checked && law_is_claimed(i, checked);
        for (size_t j = 0; !checked && j < sizeof of_buffers / sizeof *of_buffers; j++)
            kept = kept || strcmp(of_buffers[j], laws[i].name) == 0;
        char head[40];
        snprintf(head, sizeof head, "     %-12s", laws[i].name);
        if (kept) put_wrapped(e, head, laws[i].statement);
    }
}

// Writes the lines of a text from `from` up to `end`, each as a comment.
static void put_commented(exporting *e, const char *from, const char *end, const char *head) {
    for (const char *line = from; line < end; line += strcspn(line, "\n") + 1) {
        int length = (int)strcspn(line, "\n");
        fprintf(e->to, "//%s%.*s\n", length ? head : "", length, line);
    }
    e->blank = false;
}

static void put_license(exporting *e) {
    char *text = read_source(e, "LICENSE");
    if (text) put_commented(e, text, text + strlen(text), " ");
    free(text);
}

// The lines that README.md shows.
static void put_example(exporting *e) {
    static const char first[] = "// README {\n", last[] = "    // README }";
    char *text = read_source(e, "alloc/examples/buffers.c");
    const char *from = text ? strstr(text, first) : NULL, *end = from ? strstr(from, last) : NULL;
    if (end) put_commented(e, from + strlen(first), end, "");
    if (text && !end && !e->error) e->error = ENOMSG;
    free(text);
}

// ---- Code --------------------------------------------------------------------------------------

static void put_file(exporting *e, const char *path);

// Writes the declarations that all exports share, and a number of theirs: files of different
// versions of linmem must not be included in one program.
static void put_interface(exporting *e) {
    char *text = NULL;
    size_t bytes = 0;
    FILE *to = e->to;
    e->to = open_memstream(&text, &bytes);
    if (e->to) {
        put_file(e, "alloc/allocator.h");
        if (fclose(e->to) != 0) e->error = ENOMEM;
    } else {
        e->error = ENOMEM;
    }
    e->to = to;
    uint32_t hash = 0x811c9dc5; // FNV-1a
    for (size_t i = 0; i < bytes; i++)
        hash = (hash ^ (unsigned char)text[i]) * 0x01000193;
    fprintf(to,
            "#if defined LINMEM_INTERFACE && LINMEM_INTERFACE != 0x%08x\n"
            "#error \"files of different versions of linmem\"\n#endif\n"
            "#define LINMEM_INTERFACE 0x%08x\n\n%s",
            hash, hash, text ? text : "");
    free(text);
}

static void put_placeholder(exporting *e, const char *word) {
    static const struct {
        const char *word;
        void (*put)(exporting *);
    } placeholders[] = {
        {"FACTS", put_facts},     {"THREADS", put_threads}, {"LAWS", put_laws},
        {"LICENSE", put_license}, {"EXAMPLE", put_example}, {"INTERFACE", put_interface},
    };
    for (size_t i = 0; i < sizeof placeholders / sizeof *placeholders; i++)
        if (strcmp(word, placeholders[i].word) == 0) placeholders[i].put(e);
}

// Writes a line of a template, with the strategy's name for NAME.
static void put_template_line(exporting *e, const char *line) {
    static const char word[] = "NAME";
    bool blank = *line == '\0';
    for (const char *name; (name = strstr(line, word)); line = name + strlen(word))
        fprintf(e->to, "%.*s%s", (int)(name - line), line, e->name);
    put_line(e, line);
    e->blank = blank;
}

// Returns the path to read for a path that is included, to be freed.
static char *included_path(const exporting *e, const char *path) {
    static const char memory[] = "alloc/linear_memory.h", strategy[] = "alloc/strategies/NAME.c",
                      heap[] = "alloc/export/HEAP.c.in";
    if (strcmp(path, memory) == 0) return strdup("alloc/export/linear_memory.h.in");
    if (strcmp(path, heap) == 0)
        return strdup(e->table->capabilities & LM_SHARES_THREADS ? "alloc/export/heap_shared.c.in"
                                                                 : "alloc/export/heap_alone.c.in");
    if (strcmp(path, strategy) != 0) return strdup(path);
    // In alloc/strategies or in the folder of its family.
    char folder[PATH_BYTES], pattern[2 * PATH_BYTES], *found = NULL;
    size_t length = 0;
    for (const char *c = e->sources; *c && length < sizeof folder - 2; folder[length++] = *c++)
        if (strchr("*?[]{},~\\", *c)) folder[length++] = '\\';
    snprintf(pattern, sizeof pattern, "%.*s/alloc/{strategies,strategies/*}/%s.c", (int)length,
             folder, e->name);
    glob_t files = {0};
    if (glob(pattern, GLOB_BRACE, NULL, &files) == 0)
        found = strdup(files.gl_pathv[0] + strlen(e->sources) + 1);
    globfree(&files);
    return found ? found : strdup(path);
}

// Returns whether a file with "#pragma once" was written before, and remembers it.
static bool was_written(exporting *e, const char *path) {
    for (size_t i = 0; i < e->written_count; i++)
        if (strcmp(e->written[i], path) == 0) return true;
    if (e->written_count < FILES_MAX) e->written[e->written_count++] = strdup(path);
    return false;
}

static void put_guard(exporting *e, const char *path) {
    char guard[PATH_BYTES];
    snprintf(guard, sizeof guard, "LINMEM_%s", path);
    for (char *c = guard; *c; c++)
        *c = *c == '/' || *c == '.' ? '_' : (char)(*c >= 'a' && *c <= 'z' ? *c - 'a' + 'A' : *c);
    fprintf(e->to, "#ifndef %s\n#define %s\n", guard, guard);
}

static void put_include(exporting *e, const char *path) {
    char *source = included_path(e, path);
    put_file(e, source);
    free(source);
}

static void put_source_line(exporting *e, const char *path, const char *line) {
    bool template = ends_with(path, ".in");
    char *quoted = NULL, word[20];
    if (strcmp(line, "#pragma once") == 0) return;
    if (sscanf(line, "#include \"%m[^\"]\"", &quoted) == 1)
        put_include(e, quoted);
    else if (template && sscanf(line, "// @%19[A-Z]@", word) == 1)
        put_placeholder(e, word);
    else if (template)
        put_template_line(e, line);
    else
        put_line(e, line);
    free(quoted);
}

// Writes a source with its includes expanded, unless it is included once and was written before.
// Headers have guards, because a program may include several exports.
static void put_file(exporting *e, const char *path) {
    char *text = read_source(e, path), *rest = text;
    bool once = text && strstr(text, "#pragma once\n"), guarded = once && !strstr(path, ".inc.");
    if (!text || (once && was_written(e, path))) {
        free(text);
        return;
    }
    if (!ends_with(path, ".c.in") && !ends_with(path, ".def"))
        fprintf(e->to, "\n// ---- %s ----\n\n", path);
    if (guarded) put_guard(e, path);
    for (char *line; (line = strsep(&rest, "\n")) && (rest || *line);)
        put_source_line(e, path, line);
    if (guarded) put_line(e, "\n#endif");
    free(text);
}

bool lm_export(FILE *to, const char *name, const char *sources, const char *version) {
    exporting e = {.to = to, .name = name, .sources = sources, .version = version};
    e.table = lm_strategy_named(name, 0);
    put_file(&e, e.table ? "alloc/export/strategy.c.in" : "alloc/export/buffers.c.in");
    for (size_t i = 0; i < e.written_count; i++)
        free(e.written[i]);
    errno = e.error;
    return e.error == 0;
}
