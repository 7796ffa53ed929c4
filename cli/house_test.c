// The laws of the house, held against the tree it is built from (ctest runs this at its root), and
// against small trees that break one law each, so that we know each law can be broken.
//
//   ladder    a room includes itself and the rooms below it only, by paths from the root; what fuzz
//             plays, a room's *_target.c, includes fuzz too
//   reached   each header is included by somebody or named in a CMakeLists.txt, each source built
//   length    a function has at most 70 lines, a line at most 100 columns
//   places    nothing names a place on somebody's machine
//   names     a file that a comment or a README.md names exists, by its path from the root, the
//             room or the folder, or by its bare name anywhere in the room. Paths from the root are
//             checked outside of comments too. `mine` is an example, capitals are placeholders
//   json      values are built by cli/json.h, which loses none; tests build theirs as they like
#include <ctype.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

enum { FUNCTION_LINES = 70, LINE_COLUMNS = 100, FILES_MAX = 2000 };

// The rooms, and the rooms that each may include. What lies in no room may include all.
static const struct room {
    const char *name, *below;
} ladder[] = {
    {"alloc", ""},
    {"cli", ""},
    {"corpus", " alloc cli "},
    {"fuzz", " corpus alloc cli "},
    {"bench", " corpus alloc cli "},
    {"reports", " cli "},
};

static const struct room *room_of(const char *path) {
    size_t length = strcspn(path, "/");
    for (size_t i = 0; i < sizeof ladder / sizeof *ladder; i++)
        if (strlen(ladder[i].name) == length && strncmp(ladder[i].name, path, length) == 0)
            return &ladder[i];
    return NULL;
}

typedef struct source {
    char *path, *text;
} source;

static source sources[FILES_MAX];
static size_t source_count;
static FILE *offences;

__attribute__((format(printf, 3, 4))) static void offend(const char *path, size_t line,
                                                         const char *what, ...) {
    va_list arguments;
    va_start(arguments, what);
    fprintf(offences, "%s:%zu: ", path, line);
    vfprintf(offences, what, arguments);
    fputc('\n', offences);
    va_end(arguments);
}

static bool ends_with(const char *text, const char *end) {
    size_t length = strlen(text), tail = strlen(end);
    return length >= tail && strcmp(text + length - tail, end) == 0;
}

static bool is_code(const char *path) {
    return ends_with(path, ".c") || ends_with(path, ".h") || ends_with(path, ".cc") ||
           ends_with(path, ".def");
}

static const source *find_source(const char *path) {
    for (size_t i = 0; i < source_count; i++)
        if (strcmp(sources[i].path, path) == 0) return &sources[i];
    return NULL;
}

static int keep_source(const char *path, const struct stat *status, int kind, struct FTW *where) {
    const char *name = path + where->base;
    bool git = where->level == 1 && strcmp(name, ".git") == 0; // in a worktree it is a file
    if (kind == FTW_D) {
        bool skipped = git || (where->level == 1 && strcmp(name, "build") == 0);
        return skipped || strcmp(name, "node_modules") == 0 ? FTW_SKIP_SUBTREE : FTW_CONTINUE;
    }
    if (git) return FTW_CONTINUE;
    if (kind != FTW_F || source_count == FILES_MAX) return kind == FTW_F;
    char *text = calloc((size_t)status->st_size + 1, 1);
    FILE *stream = fopen(path, "r");
    if (!stream || !text || fread(text, 1, (size_t)status->st_size, stream) == 0) text[0] = '\0';
    if (stream) fclose(stream);
    sources[source_count++] = (source){strdup(path + 2), text}; // without the "./"
    return FTW_CONTINUE;
}

static void forget_sources(void) {
    for (; source_count > 0; source_count--) {
        free(sources[source_count - 1].path);
        free(sources[source_count - 1].text);
    }
}

// If the line includes a file of ours, its path, to be freed.
static char *included(const char *line) {
    char *path = NULL;
    return sscanf(line, " # include \"%m[^\"]\"", &path) == 1 ? path : NULL;
}

static void check_include(const char *path, size_t number, const char *line) {
    char *target = included(line);
    if (!target) return;
    const struct room *from = room_of(path), *to = room_of(target);
    char word[40];
    snprintf(word, sizeof word, " %s ", to ? to->name : "");
    if (ends_with(path, "_target.c") && to == room_of("fuzz/")) to = from; // fuzz plays it
    if (!find_source(target))
        offend(path, number, "%s is no path from the root", target);
    else if (from && from != to && (!to || !strstr(from->below, word)))
        offend(path, number, "%s must not include %s", from->name, target);
    free(target);
}

static size_t columns(const char *line) {
    size_t count = 0;
    for (; *line; line++)
        count += (*line & 0xC0) != 0x80;
    return count;
}

// As clang-format lays functions out: "… ) {" ends the head, "}" in the first column the body.
typedef struct function_watch {
    size_t opened; // the line, 0 outside of top-level braces
    bool is_function;
} function_watch;

static void check_function(function_watch *watch, const char *path, size_t number,
                           const char *line) {
    if (*line == '}') {
        size_t lines = number - watch->opened + 1;
        if (watch->opened && watch->is_function && lines > FUNCTION_LINES)
            offend(path, watch->opened, "a function of %zu lines", lines);
        watch->opened = 0;
    } else if (!watch->opened && ends_with(line, "{") && strncmp(line, "extern \"C", 9) != 0) {
        *watch = (function_watch){number, ends_with(line, ") {")};
    }
}

static void check_places(const char *path, size_t number, const char *line) {
    // In two pieces each, for this file is searched as well.
    static const char *const places[] = {"/ho"
                                         "me/",
                                         "/ro"
                                         "ot/",
                                         "/wo"
                                         "rk/",
                                         "/Us"
                                         "ers/"};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        const char *found = strstr(line, places[i]);
        // In the middle of a path it is a name like any other.
        if (found && (found == line || strchr(" \t\"'`(=:<", found[-1])))
            offend(path, number, "names the place %s", places[i]);
    }
}

static bool exists(const char *format, ...) {
    char path[600];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(path, sizeof path, format, arguments);
    va_end(arguments);
    return find_source(path) != NULL;
}

// Whether the path's room, or the root for what lies in none, has a file of that name somewhere.
static bool is_name_in_room(const char *path, const char *name) {
    const struct room *room = room_of(path);
    for (size_t i = 0; i < source_count; i++) {
        const char *slash = strrchr(sources[i].path, '/');
        if (room && room_of(sources[i].path) != room) continue;
        if (strcmp(slash ? slash + 1 : sources[i].path, name) == 0) return true;
    }
    return false;
}

static bool is_file_named(const char *path, const char *word) {
    const char *slash = strrchr(path, '/');
    if (strncmp(word, "./", 2) == 0) word += 2;
    int room = (int)strcspn(path, "/"), folder = (int)(slash ? slash - path : 0);
    return exists("%s", word) || exists("%.*s/%s", room, path, word) ||
           exists("%.*s/%s", folder, path, word) ||
           (!strchr(word, '/') && is_name_in_room(path, word));
}

// Whether a word is the name of a file that belongs to the tree: sources, and, with a path, what
// lies among them.
static bool is_name(const char *word) {
    static const char *const sources_end[] = {".c", ".h", ".def", ".cc", ".mjs", ".wat", ".sh"};
    static const char *const others_end[] = {".json", ".md", ".txt", ".cmake", ".dict"};
    for (const char *c = word; *c; c++)
        if (isupper((unsigned char)*c) && !ends_with(word, ".md")) return false;
    const char *slash = strrchr(word, '/'), *name = slash ? slash + 1 : word;
    if (*name == '.' || *name == '_' || strncmp(name, "mine.", 5) == 0) return false;
    for (size_t i = 0; i < sizeof sources_end / sizeof *sources_end; i++)
        if (ends_with(word, sources_end[i])) return true;
    for (size_t i = 0; slash && i < sizeof others_end / sizeof *others_end; i++)
        if (ends_with(word, others_end[i])) return true;
    return false;
}

// The line's part that is written for readers, or its end.
static const char *comment_in(const char *path, const char *line) {
    const char *comment = line;
    if (is_code(path) || ends_with(path, ".mjs"))
        comment = strstr(line, "//");
    else if (!ends_with(path, ".md"))
        comment = *line == '#' ? line : strstr(line, " # ");
    return comment ? comment : line + strlen(line);
}

static void check_names(const char *path, size_t number, const char *line) {
    static const char letters[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./";
    if (ends_with(path, ".patch") || ends_with(path, "_test.c")) return;
    const char *comment = comment_in(path, line);
    char before = ' ';
    for (const char *at = line; *at;) {
        size_t length = strspn(at, letters);
        char word[300];
        snprintf(word, sizeof word, "%.*s", (int)length, at);
        while (*word && word[strlen(word) - 1] == '.')
            word[strlen(word) - 1] = '\0';
        bool whole = !strchr("*$%<}{", before) && !strchr("*$%{", at[length] ? at[length] : ' ');
        bool named = at >= comment || (strchr(word, '/') && room_of(word));
        if (whole && named && is_name(word) && !is_file_named(path, word))
            offend(path, number, "there is no %s", word);
        at += length;
        if (*at) before = *at++;
    }
}

static void check_json(const char *path, size_t number, const char *line) {
    static const char *const makers[] = {"json_pack(", "json_string(", "json_real(",
                                         "json_object_set_new(", "json_array_append_new("};
    if (strcmp(path, "cli/json.c") == 0 || ends_with(path, "_test.c")) return;
    for (size_t i = 0; i < sizeof makers / sizeof *makers; i++)
        if (strstr(line, makers[i])) offend(path, number, "calls %s)", makers[i]);
}

static void check_lines(const source *file) {
    char *text = strdup(file->text), *rest = text;
    function_watch watch = {0};
    size_t number = 0;
    for (char *line; (line = strsep(&rest, "\n"));) {
        number++;
        check_places(file->path, number, line);
        check_names(file->path, number, line);
        if (!is_code(file->path)) continue;
        check_include(file->path, number, line);
        check_json(file->path, number, line);
        check_function(&watch, file->path, number, line);
        if (columns(line) > LINE_COLUMNS) offend(file->path, number, "%zu columns", columns(line));
    }
    free(text);
}

// A header is included, or named in a CMakeLists.txt.
static bool is_included(const char *path) {
    for (size_t i = 0; i < source_count; i++) {
        if (ends_with(sources[i].path, "CMakeLists.txt") && strstr(sources[i].text, path))
            return true;
        if (!is_code(sources[i].path)) continue;
        for (const char *at = sources[i].text; (at = strstr(at, "#include \"")); at++) {
            char *target = included(at);
            bool same = target && strcmp(target, path) == 0;
            free(target);
            if (same) return true;
        }
    }
    return false;
}

// Whether the call of room() in the CMakeLists.txt builds a source: a test anywhere in the room, or
// a source in the room's folder or one of the folders that the call names.
static bool is_of_room(const char *cmake, const char *path) {
    int room = (int)strcspn(path, "/"), folder = (int)(strrchr(path, '/') - path);
    char word[300];
    snprintf(word, sizeof word, "room(%.*s ", room, path);
    const char *call = strstr(cmake, word);
    if (!call) return false;
    if (room == folder || ends_with(path, "_test.c")) return true;
    const char *end = call + strcspn(call, ")");
    size_t length = (size_t)(folder - room - 1);
    for (const char *at = call; at < end; at += strcspn(at, " \n)") + 1)
        if (strcspn(at, " \n)") == length && memcmp(at, path + room + 1, length) == 0) return true;
    return false;
}

// A source is built by its room, by the registry, by its folder in the CMakeLists.txt, or by its
// name in any.
static bool is_built(const char *path) {
    const source *cmake = find_source("CMakeLists.txt");
    const source *registry = find_source("alloc/strategies.def");
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    char line[300];
    if (slash && is_of_room(cmake->text, path)) return true;
    snprintf(line, sizeof line, "%.*s/*.c", (int)(slash ? slash - path : 0), path);
    if (slash && strstr(cmake->text, line)) return true;
    if (registry && strncmp(path, "alloc/strategies/", 17) == 0) {
        snprintf(line, sizeof line, "STRATEGY(%.*s)", (int)strcspn(name, "."), name);
        if (strstr(registry->text, line)) return true;
    }
    for (size_t i = 0; i < source_count; i++)
        if (ends_with(sources[i].path, "CMakeLists.txt") && strstr(sources[i].text, path))
            return true;
    return false;
}

// Holds the laws against the working directory. Returns the offences, a line each, to be freed.
static char *inspect(void) {
    char *found = NULL;
    size_t size;
    offences = open_memstream(&found, &size);
    assert_int_equal(nftw(".", keep_source, 20, FTW_PHYS | FTW_ACTIONRETVAL), 0);
    assert_non_null(find_source("CMakeLists.txt"));
    for (size_t i = 0; i < source_count; i++) {
        const char *path = sources[i].path;
        check_lines(&sources[i]);
        if ((ends_with(path, ".h") || ends_with(path, ".def")) && !is_included(path))
            offend(path, 1, "nobody includes it");
        if ((ends_with(path, ".c") || ends_with(path, ".cc")) && !is_built(path))
            offend(path, 1, "nothing builds it");
    }
    fclose(offences);
    forget_sources();
    return found;
}

static void the_house_keeps_its_laws(void **state) {
    (void)state;
    char *found = inspect();
    fputs(found, stderr); // whole: cmocka cuts a message
    assert_string_equal(found, "");
    free(found);
}

static void put(const char *path, const char *text) {
    char *folder = strdup(path);
    for (char *slash = folder; (slash = strchr(slash, '/')); *slash++ = '/') {
        *slash = '\0';
        mkdir(folder, 0777);
    }
    free(folder);
    FILE *stream = fopen(path, "w");
    assert_non_null(stream);
    fputs(text, stream);
    fclose(stream);
}

static char *repeated(const char *head, const char *line, size_t count, const char *tail) {
    char *text = NULL;
    size_t size;
    FILE *stream = open_memstream(&text, &size);
    fputs(head, stream);
    while (count-- > 0)
        fputs(line, stream);
    fputs(tail, stream);
    fclose(stream);
    return text;
}

// A tree that keeps every law, by a hair where there is one.
static void build_good_house(void) {
    put("CMakeLists.txt",
        "room(alloc x)\nroom(cli y)\nroom(corpus z)\nroom(bench a)\n"
        "room(reports b)\nadd_executable(linmem linmem.c)\nfile(GLOB f fuzz/*.c)\n");
    put("alloc/strategies.def", "STRATEGY(bump)\n");
    put("alloc/strategies/bump.c", "#include \"alloc/a.h\"\n");
    put("alloc/a.h", "struct a {\n};\n");
    put("alloc/a.c", "#include \"alloc/strategies.def\"\n#include <alloc/none.h>\n");
    put("cli/c.h", "");
    put("corpus/p.h", "#include \"alloc/a.h\"\n#include \"cli/c.h\"\n");
    put("fuzz/f.c", "#include \"corpus/p.h\"\n#include \"fuzz/f.h\"\n");
    put("fuzz/f.h", "");
    put("bench/b.h", "#include \"corpus/p.h\"\n");
    put("reports/r.h", "#include \"cli/c.h\"\n");
    put("linmem.c", "#include \"bench/b.h\"\n#include \"reports/r.h\"\n");
    put("README.md", "https://example.org/ho"
                     "me/page\n");
    put("build/x.c", "#include \"nothing\"\n");
    put(".git", "gitdir: /ho"
                "me/me/linmem/.git/worktrees/x\n");
    char *function =
        repeated("static int f(int a,\n             int b) {\n", "    a++;\n", 68, "}\n");
    put("cli/long.c", function);
    free(function);
    char *table = repeated("int table[] = {\n", "    1,\n", 100, "};\n");
    put("cli/table.c", table);
    free(table);
    char *line = repeated("// ", "é", 97, "\n");
    put("cli/wide.c", line);
    free(line);
}

static void each_law_can_be_broken(void **state) {
    (void)state;
    static const char *const good = "#include \"alloc/a.h\"\n";
    char *long_function = repeated("\nint f(void) {\n", "    g();\n", 69, "}\n");
    char *long_inner = repeated("extern \"C\" {\nint f(void) {\n", "\n", 69, "}\n}\n");
    char *wide = repeated("\n// ", "é", 98, "\n");
    const struct {
        const char *path, *text, *offence;
    } cases[] = {
        {"cli/fine.c", "#include \"cli/c.h\"\n", ""},
        {"alloc/x.c", "\n#include \"cli/c.h\"\n", "alloc/x.c:2: alloc must not include cli/c.h\n"},
        {"alloc/strategies/bump.c", "#include \"corpus/p.h\"\n",
         "alloc/strategies/bump.c:1: alloc must not include corpus/p.h\n"},
        {"cli/x.c", good, "cli/x.c:1: cli must not include alloc/a.h\n"},
        {"corpus/x.c", "#  include \"bench/b.h\"\n",
         "corpus/x.c:1: corpus must not include bench/b.h\n"},
        {"fuzz/x.c", "#include \"bench/b.h\"\n", "fuzz/x.c:1: fuzz must not include bench/b.h\n"},
        {"bench/x.c", "#include \"reports/r.h\"\n",
         "bench/x.c:1: bench must not include reports/r.h\n"},
        {"reports/x.c", good, "reports/x.c:1: reports must not include alloc/a.h\n"},
        {"reports/x_target.c", "#include \"fuzz/f.h\"\n", ""},
        {"reports/x_target.c", good, "reports/x_target.c:1: reports must not include alloc/a.h\n"},
        {"cli/x.c", "#include \"c.h\"\n", "cli/x.c:1: c.h is no path from the root\n"},
        {"cli/x.c", "    json_add(list, json_string(name));\n", "cli/x.c:1: calls json_string()\n"},
        {"cli/x_test.c", "json_t *o = json_pack(\"[]\");\n", ""},
        {"cli/dead.h", "", "cli/dead.h:1: nobody includes it\n"},
        {"alloc/dead.def", "", "alloc/dead.def:1: nobody includes it\n"},
        {"alloc/strategies/dead.c", "", "alloc/strategies/dead.c:1: nothing builds it\n"},
        {"dead.c", "", "dead.c:1: nothing builds it\n"},
        {"corpus/deep/dead.cc", "", "corpus/deep/dead.cc:1: nothing builds it\n"},
        {"cli/x.c", long_function, "cli/x.c:2: a function of 71 lines\n"},
        {"cli/x.c", long_inner, "cli/x.c:2: a function of 71 lines\n"},
        {"cli/x.c", wide, "cli/x.c:2: 101 columns\n"},
        {"cli/x.c", "// alloc/a.h, a.h, c.h and alloc/strategies/mine.c, NAME.c, *_test.c\n",
         "cli/x.c:1: there is no a.h\n"},
        {"alloc/x.c", "// strategies/bump.c, ./a.h.\n", ""},
        {"cli/x.c", "f(\"alloc/b.c\", \"b.c\"); // b.json\n", "cli/x.c:1: there is no alloc/b.c\n"},
        {"cli/x.sh", "cat b.c # see b.c\n", "cli/x.sh:1: there is no b.c\n"},
        {"README.md", "`alloc/a.h`, `alloc/none.json`\n",
         "README.md:1: there is no alloc/none.json\n"},
        {"README.md",
         "see\n`/ho"
         "me/me/x`\n",
         "README.md:2: names the place /ho"
         "me/\n"},
        {"tool",
         "/ro"
         "ot/x\n",
         "tool:1: names the place /ro"
         "ot/\n"},
    };
    char root[4096];
    assert_non_null(getcwd(root, sizeof root));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char folder[] = "/tmp/linmem-house-test-XXXXXX", command[100];
        assert_non_null(mkdtemp(folder));
        assert_int_equal(chdir(folder), 0);
        build_good_house();
        put(cases[i].path, cases[i].text);
        char *found = inspect();
        assert_int_equal(chdir(root), 0);
        snprintf(command, sizeof command, "rm -rf %s", folder);
        assert_int_equal(system(command), 0);
        assert_string_equal(found, cases[i].offence);
        free(found);
    }
    free(long_function);
    free(long_inner);
    free(wide);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_house_keeps_its_laws),
        cmocka_unit_test(each_law_can_be_broken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
