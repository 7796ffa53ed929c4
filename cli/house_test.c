// The rules of the source tree, checked in the tree that this is built from (ctest runs the test at
// its root), and in small trees that break one rule each, to show that every rule can be broken.
//
//   ladder    a room includes itself and the rooms below it only, by paths from the root; a fuzz
//             target, *_target.c, includes fuzz/ too, and tests of all rooms cli/test.h
//   used      each header is included or named in a CMakeLists.txt, each source is built
//   length    a function has at most 70 lines, a line at most 100 columns
//   places    no file names a place on one machine
//   names     a file that a comment or a README.md names exists, by its path from the root, the
//             room or the folder, or by its bare name anywhere in the room. Paths from the root are
//             checked outside of comments too. `mine` is an example, capitals are placeholders
//   json      values are built with cli/json.h, which never drops one; tests may use jansson
#include "cli/test.h"

#include <ctype.h>
#include <ftw.h>
#include <sys/stat.h>

enum { FUNCTION_LINES = 70, LINE_COLUMNS = 100, FILES_MAX = 2000 };

// The rooms, and the rooms that each may include. Files outside of rooms may include all.
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
    for (size_t i = 0; i < ITEMS(ladder); i++)
        if (strlen(ladder[i].name) == length && strncmp(ladder[i].name, path, length) == 0)
            return &ladder[i];
    return NULL;
}

typedef struct source {
    char *path, *text;
} source;

static source sources[FILES_MAX];
static size_t source_count;
static FILE *violations;

__attribute__((format(printf, 3, 4))) static void violate(const char *path, size_t line,
                                                          const char *what, ...) {
    va_list arguments;
    va_start(arguments, what);
    fprintf(violations, "%s:%zu: ", path, line);
    vfprintf(violations, what, arguments);
    fputc('\n', violations);
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

// Returns the path that the line includes between quotes, to be freed, or NULL.
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
    if (ends_with(path, "_target.c") && to == room_of("fuzz/")) to = from;
    if (strcmp(target, "cli/test.h") == 0) to = from;
    if (!find_source(target))
        violate(path, number, "%s is not a path from the root", target);
    else if (from && from != to && (!to || !strstr(from->below, word)))
        violate(path, number, "%s must not include %s", from->name, target);
    free(target);
}

static size_t columns(const char *line) {
    size_t count = 0;
    for (; *line; line++)
        count += (*line & 0xC0) != 0x80;
    return count;
}

// Finds functions as clang-format lays them out: their heads end with ") {", their bodies with "}"
// in the first column.
typedef struct function_watch {
    size_t opened; // the line; 0: outside of top-level braces
    bool is_function;
} function_watch;

static void check_function(function_watch *watch, const char *path, size_t number,
                           const char *line) {
    if (*line == '}') {
        size_t lines = number - watch->opened + 1;
        if (watch->opened && watch->is_function && lines > FUNCTION_LINES)
            violate(path, watch->opened, "a function of %zu lines", lines);
        watch->opened = 0;
    } else if (!watch->opened && ends_with(line, "{") && strncmp(line, "extern \"C", 9) != 0) {
        *watch = (function_watch){number, ends_with(line, ") {")};
    }
}

static void check_places(const char *path, size_t number, const char *line) {
    static const char *const places[] = {"/home/", "/root/", "/work/", "/Users/"};
    if (ends_with(path, "house_test.c")) return;
    for (size_t i = 0; i < ITEMS(places); i++) {
        const char *found = strstr(line, places[i]);
        // In the middle of a path it is a name like any other.
        if (found && (found == line || strchr(" \t\"'`(=:<", found[-1])))
            violate(path, number, "names the place %s", places[i]);
    }
}

// Returns whether a word is the path of a file from the root, the path's room or its folder, or the
// name of a file in the path's room; outside of rooms, of any file.
static bool is_file_named(const char *path, const char *word) {
    const char *slash = strrchr(path, '/');
    if (strncmp(word, "./", 2) == 0) word += 2;
    size_t room = slash ? strcspn(path, "/") + 1 : 0,
           folder = slash ? (size_t)(slash + 1 - path) : 0;
    for (size_t i = 0; i < source_count; i++) {
        const char *found = sources[i].path;
        if (!ends_with(found, word)) continue;
        size_t before = strlen(found) - strlen(word);
        bool below = (before == 0 || before == room || before == folder) &&
                     strncmp(found, path, before) == 0;
        bool in_room = !room_of(path) || room_of(path) == room_of(found);
        bool is_name = before == 0 || found[before - 1] == '/';
        if (below || (is_name && in_room && !strchr(word, '/'))) return true;
    }
    return false;
}

// Returns whether a word is the name of a source file, or the path of another file of the tree.
static bool is_name(const char *word) {
    static const char *const sources_end[] = {".c",   ".h",   ".def", ".cc",
                                              ".mjs", ".wat", ".sh",  ".py"};
    static const char *const others_end[] = {".json", ".md", ".txt", ".cmake", ".dict"};
    for (const char *c = word; *c; c++)
        if (isupper((unsigned char)*c) && !ends_with(word, ".md")) return false;
    const char *slash = strrchr(word, '/'), *name = slash ? slash + 1 : word;
    if (*name == '.' || *name == '_' || strncmp(name, "mine.", 5) == 0) return false;
    for (size_t i = 0; i < ITEMS(sources_end); i++)
        if (ends_with(word, sources_end[i])) return true;
    for (size_t i = 0; slash && i < ITEMS(others_end); i++)
        if (ends_with(word, others_end[i])) return true;
    return false;
}

// Returns the line's comment, or its end if it has none.
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
            violate(path, number, "there is no %s", word);
        at += length;
        if (*at) before = *at++;
    }
}

static void check_json(const char *path, size_t number, const char *line) {
    static const char *const makers[] = {"json_pack(", "json_string(", "json_real(",
                                         "json_object_set_new(", "json_array_append_new("};
    if (strcmp(path, "cli/json.c") == 0 || ends_with(path, "_test.c")) return;
    for (size_t i = 0; i < ITEMS(makers); i++)
        if (strstr(line, makers[i])) violate(path, number, "calls %s)", makers[i]);
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
        if (columns(line) > LINE_COLUMNS) violate(file->path, number, "%zu columns", columns(line));
    }
    free(text);
}

// Returns whether CMake's files name a file, by its path from the root or from its own folder.
static bool is_in_a_cmakelists(const char *path) {
    for (size_t i = 0; i < source_count; i++) {
        const char *list = sources[i].path, *text = sources[i].text;
        if (!ends_with(list, "CMakeLists.txt") && !ends_with(list, "/library.cmake")) continue;
        const char *slash = strrchr(list, '/');
        size_t folder = slash ? (size_t)(slash + 1 - list) : 0;
        bool below = strncmp(list, path, folder) == 0;
        if (strstr(text, path) || (below && strstr(text, path + folder))) return true;
    }
    return false;
}

static bool is_included(const char *path) {
    char line[300];
    snprintf(line, sizeof line, "#include \"%s\"", path);
    for (size_t i = 0; i < source_count; i++)
        if (is_code(sources[i].path) && strstr(sources[i].text, line)) return true;
    return false;
}

// Returns whether room() in the CMakeLists.txt builds a source: a test anywhere in the room, or a
// source in the room's folder or one of the folders that the call names.
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

// A source is built by its room, by the registry, or by its folder or name in a CMakeLists.txt.
static bool is_built(const char *path) {
    const source *cmake = find_source("CMakeLists.txt");
    const source *registry = find_source("alloc/strategies.def");
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    char line[300];
    if (slash && is_of_room(cmake->text, path)) return true;
    snprintf(line, sizeof line, "%.*s/*.c", (int)(slash ? slash - path : 0), path);
    if (slash && strstr(cmake->text, line)) return true;
    snprintf(line, sizeof line, "STRATEGY(%.*s)", (int)strcspn(name, "."), name);
    if (registry && strncmp(path, "alloc/strategies/", 17) == 0 && strstr(registry->text, line))
        return true;
    return is_in_a_cmakelists(path);
}

// Checks the working directory. Returns the violations, a line each, to be freed.
static char *inspect(void) {
    char *found = NULL;
    size_t size;
    violations = open_memstream(&found, &size);
    assert_int_equal(nftw(".", keep_source, 20, FTW_PHYS | FTW_ACTIONRETVAL), 0);
    assert_non_null(find_source("CMakeLists.txt"));
    for (size_t i = 0; i < source_count; i++) {
        const char *path = sources[i].path;
        check_lines(&sources[i]);
        if ((ends_with(path, ".h") || ends_with(path, ".def")) && !is_included(path) &&
            !is_in_a_cmakelists(path))
            violate(path, 1, "nothing includes it");
        if ((ends_with(path, ".c") || ends_with(path, ".cc")) && !is_built(path))
            violate(path, 1, "nothing builds it");
    }
    fclose(violations);
    forget_sources();
    return found;
}

TEST(the_tree_keeps_every_rule) {
    char *found = inspect();
    fputs(found, stderr); // cmocka cuts long messages
    assert_string_equal(found, "");
    free(found);
}

// Writes a file and makes its folder.
static void put(const char *path, const char *text) {
    char *folder = strdup(path), *slash = strrchr(folder, '/');
    if (slash) *slash = '\0';
    assert_true(!slash || file_make_directory(folder));
    free(folder);
    test_write(path, text);
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

// Makes a tree that keeps every rule, at the limit where there is one.
static void make_good_tree(void) {
    put("CMakeLists.txt",
        "room(alloc x)\nroom(cli y)\nroom(corpus z)\nroom(bench a)\n"
        "room(reports b)\nadd_executable(linmem linmem.c)\nfile(GLOB f fuzz/*.c)\n");
    put("alloc/strategies.def", "STRATEGY(bump)\n");
    put("alloc/strategies/bump.c", "#include \"alloc/a.h\"\n");
    put("alloc/library.cmake", "add_library(inner inner/b.c)\n");
    put("alloc/inner/b.c", "");
    put("alloc/a.h", "struct a {\n};\n");
    put("alloc/a.c", "#include \"alloc/strategies.def\"\n#include <alloc/none.h>\n");
    put("cli/c.h", "");
    put("corpus/p.h", "#include \"alloc/a.h\"\n#include \"cli/c.h\"\n");
    put("fuzz/f.c", "#include \"corpus/p.h\"\n#include \"fuzz/f.h\"\n");
    put("fuzz/f.h", "");
    put("bench/b.h", "#include \"corpus/p.h\"\n");
    put("reports/r.h", "#include \"cli/c.h\"\n");
    put("linmem.c", "#include \"bench/b.h\"\n#include \"reports/r.h\"\n");
    put("README.md", "https://example.org/home/page\n");
    put("build/x.c", "#include \"nothing\"\n");
    put(".git", "gitdir: /home/me/linmem/.git/worktrees/x\n");
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

TEST(each_rule_can_be_broken) {
    static const char *const good = "#include \"alloc/a.h\"\n";
    char *long_function = repeated("\nint f(void) {\n", "    g();\n", 69, "}\n");
    char *long_inner = repeated("extern \"C\" {\nint f(void) {\n", "\n", 69, "}\n}\n");
    char *wide = repeated("\n// ", "é", 98, "\n");
    const struct {
        const char *path, *text, *violation;
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
        {"cli/x.c", "#include \"c.h\"\n", "cli/x.c:1: c.h is not a path from the root\n"},
        {"cli/x.c", "    json_add(list, json_string(name));\n", "cli/x.c:1: calls json_string()\n"},
        {"cli/x_test.c", "json_t *o = json_pack(\"[]\");\n", ""},
        {"cli/dead.h", "", "cli/dead.h:1: nothing includes it\n"},
        {"alloc/dead.def", "", "alloc/dead.def:1: nothing includes it\n"},
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
        {"README.md", "see\n`/home/me/x`\n", "README.md:2: names the place /home/\n"},
        {"tool", "/root/x\n", "tool:1: names the place /root/\n"},
    };
    for (size_t i = 0; i < ITEMS(cases); i++) {
        assert_int_equal(test_enter_folder(state), 0);
        make_good_tree();
        put(cases[i].path, cases[i].text);
        char *found = inspect();
        assert_int_equal(test_leave_folder(state), 0);
        assert_string_equal(found, cases[i].violation);
        free(found);
    }
    free(long_function);
    free(long_inner);
    free(wide);
}

TEST_MAIN(NULL, NULL)
