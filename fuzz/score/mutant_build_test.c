// Lists and builds mutants of a small repository, and compares their code.
#include "fuzz/score/mutant_build.h"

#define TEST_FOLDER "/tmp/linmem-mutants-test-XXXXXX"
#include "fuzz/run/test_folder.h"

// Writes one part of build/fuzz/build.ninja, as CMake does. "@" is the folder.
static void put_statements(FILE *ninja, const char *text) {
    for (const char *at = text; *at; at++)
        if (*at == '@')
            fputs(test_folder, ninja);
        else
            fputc(*at, ninja);
}

#define COUNTS "CMakeFiles/mutant_counts.dir/fuzz/score/mutants/counts.c.o"

// Programs of objects and archives.
static void put_build(void) {
    static const struct {
        const char *rule, *object, *source, *defines;
    } objects[] = {
        {"cc", "one.dir/alloc/strategies/one.c.o", "alloc/strategies/one.c", ""},
        {"cc", "main.dir/corpus/main.c.o", "corpus/main.c", ""},
        {"cc", "all.dir/alloc/buffers/counts.c.o", "alloc/buffers/counts.c", ""},
        {"cc", "all.dir/alloc/strategies/one.c.o", "alloc/strategies/one.c", ""}, // spare
        {"cc", "all.dir/alloc/strategies/other.c.o", "alloc/strategies/other.c", ""},
        {"cc", "mutant_counts.dir/fuzz/score/mutants/counts.c.o", "more.c", ""},
        {"launched", "launched.dir/alloc/strategies/one.c.o", "alloc/strategies/one.c", ""},
        {"cc", "x1.dir/explore.c.o", "fuzz/explore/explorer/explore.c", "-DEXPLORED=one "},
        {"cc", "x2.dir/explore.c.o", "fuzz/explore/explorer/explore.c", "-DEXPLORED=only "},
    };
    put("build/fuzz/CMakeFiles/rules.ninja",
        "rule cc\n  command = clang-19 $DEFINES $FLAGS -MD -MF $out.d -o $out -c $in\n"
        "  depfile = $out.d\n  deps = gcc\n"
        "rule launched\n  command = sh $root/launch clang-19 $DEFINES $FLAGS -MD -MF $out.d -o "
        "$out "
        "-c $in\n  depfile = $out.d\n  deps = gcc\n"
        "rule ar\n  command = : && rm -f $out && ar qc $out $in\n"
        "rule link\n  command = : && clang-19 $in -o $out $LINK_LIBRARIES\n");
    put("launch", "\"$@\" || exit\nfor d in CMakeFiles/launched.dir/alloc/strategies/*.d; do\n"
                  "[ ! -e \"$d\" ] || sed -i \"s,$(cd ../.. && pwd)/,../../,\" \"$d\"\ndone\n");
    put("build/fuzz/build.ninja", "");
    FILE *ninja = fopen("build/fuzz/build.ninja", "w");
    assert_non_null(ninja);
    put_statements(ninja, "# by CMake\n\ninclude CMakeFiles/rules.ninja\n\n"
                          "build mutant_counts: phony " COUNTS "\n\n");
    for (size_t i = 0; i < sizeof objects / sizeof *objects; i++) {
        fprintf(ninja, "build CMakeFiles/%s: %s %s/%s || order\n", objects[i].object,
                objects[i].rule, test_folder, objects[i].source);
        fprintf(ninja, "  DEFINES = %s-DLM_CHECK_LEVEL=1\n  FLAGS = -O2 -I%s\n  root = %s\n\n",
                objects[i].defines, test_folder, test_folder);
    }
    put_statements(ninja, "build order: phony\n\n"
                          "build liball.a: ar CMakeFiles/all.dir/alloc/buffers/counts.c.o "
                          "CMakeFiles/all.dir/alloc/strategies/one.c.o "
                          "CMakeFiles/all.dir/alloc/strategies/other.c.o || order\n\n"
                          "build libex.a: ar CMakeFiles/x1.dir/explore.c.o "
                          "CMakeFiles/x2.dir/explore.c.o\n\n"
                          "build heap-one: link CMakeFiles/main.dir/corpus/main.c.o "
                          "CMakeFiles/one.dir/alloc/strategies/one.c.o | liball.a || order\n"
                          "  LINK_LIBRARIES = liball.a\n\n"
                          "build heap-launched: link CMakeFiles/main.dir/corpus/main.c.o "
                          "CMakeFiles/launched.dir/alloc/strategies/one.c.o | liball.a\n"
                          "  LINK_LIBRARIES = liball.a\n\n"
                          "build linmem-explorer: link CMakeFiles/main.dir/corpus/main.c.o "
                          "CMakeFiles/all.dir/alloc/buffers/counts.c.o | libex.a\n"
                          "  LINK_LIBRARIES = libex.a\n\n");
    fclose(ninja);
}

static int set_up(void **state) {
    if (test_enter_folder(state) != 0) return -1;
    put("alloc/allocator.h", "int one(int);\nint two(int);\n");
    put("alloc/strategies/shared.h", "static inline int half(int a) {\n    return a / 2;\n}\n");
    put("alloc/strategies/one.c", "#include \"alloc/allocator.h\"\n"
                                  "#include \"alloc/strategies/shared.h\"\n"
                                  "int one(int a) {\n    return half(a) + 1;\n}\n");
    put("alloc/buffers/counts.c",
        "#include \"alloc/allocator.h\"\nint two(int a) {\n    return a * 2;\n}\n");
    put("alloc/buffers/buffer_table.c", "");
    put("alloc/buffers/finalizer.c", "");
    put("alloc/buffers/view.c", "");
    put("corpus/main.c",
        "#include \"alloc/allocator.h\"\nint main(void) {\n    return one(10) + two(10);\n}\n");
    put("fuzz/explore/explorer/explore.c",
        "#include \"alloc/strategies/shared.h\"\n#define PASTE_(a, b) a##_##b\n"
        "#define PASTE(a, b) PASTE_(a, b)\nint PASTE(EXPLORED, explored)(int);\n"
        "int PASTE(EXPLORED, explored)(int a) {\n    return half(a);\n}\n"
        "int __attribute__((weak)) one(int);\nint __attribute__((weak)) one(int a) {\n"
        "    return half(a) + 1;\n}\n");
    put("more.c", "#include <unistd.h>\n__attribute__((constructor)) static void end(void) {\n"
                  "    _exit(77);\n}\n");
    put("fuzz/score/mutants/mutant.h",
        "#ifdef LM_MUTANT_SILENT\n#define LM_MUTANT(c) ((void)0)\n#else\n"
        "#define LM_MUTANT(c) ((void)(c))\n#endif\n");
    put("fuzz/score/mutants/half-is-a-third.patch",
        "Allocator: one\nClass: arithmetic\nSource: ours\nTarget: heap\nWhat: a third\n\n"
        "--- a/alloc/strategies/shared.h\n+++ b/alloc/strategies/shared.h\n@@ -1,3 +1,3 @@\n"
        " static inline int half(int a) {\n-    return a / 2;\n+    return a / 3;\n }\n");
    put("fuzz/score/mutants/twice-is-thrice.patch",
        "Allocator: one, buffers\nClass: references\nSource: ours\nTarget: heap\nWhat: thrice\n\n"
        "--- a/alloc/buffers/counts.c\n+++ b/alloc/buffers/counts.c\n@@ -1,4 +1,4 @@\n"
        " #include \"alloc/allocator.h\"\n int two(int a) {\n-    return a * 2;\n"
        "+    return a * 3;\n }\n");
    put("alloc/strategies/other.c", "int other(int a) {\n    return a + 1;\n}\n");
    put_build();
    return 0;
}

static void read_all(mutant_list *list, const char *from) {
    char error[300];
    if (!mutant_list_read(list, from, error) || !mutant_list_generate(list, from, 1, error))
        fail_msg("%s", error);
}

TEST(named_and_generated_mutants_are_listed, .setup_func = set_up,
     .teardown_func = test_leave_folder) {
    mutant_list list;
    read_all(&list, test_folder);
    assert_int_equal(list.named, 2);
    assert_string_equal(list.at[0].name, "half-is-a-third");
    assert_string_equal(list.at[0].what, "a third");
    assert_string_equal(list.at[0].files[0], "alloc/strategies/shared.h");
    assert_string_equal(list.at[1].allocators[0], "one");
    assert_string_equal(list.at[1].allocators[1], "buffers");
    assert_null(list.at[1].allocators[2]);
    const mutant *m = mutant_named(&list, "shared.h:2:operands");
    assert_non_null(m);
    assert_string_equal(m->target, "heap");
    assert_string_equal(m->allocators[0], "one");
    assert_string_equal(m->what, "return a / 2;  =>  return (2) / (a);");
    assert_null(mutant_named(&list, "allocator.h:1:operands"));
    m = mutant_named(&list, "counts.c:3:constant");
    assert_non_null(m);
    assert_string_equal(m->target, "buffers");
    assert_string_equal(m->allocators[0], "buffers");
    mutant_list_free(&list);
}

TEST(survivors_have_reasons, .setup_func = set_up, .teardown_func = test_leave_folder) {
    put("fuzz/score/mutants/survivors.txt", "one.c: return half(a) + 1;  =>  return half(a) + 2;\n"
                                            "    Nobody counts\n    so far.\n\n"
                                            "shared.h: return a / 2;\n    too short\n");
    mutant_list list;
    read_all(&list, test_folder);
    assert_string_equal(mutant_named(&list, "one.c:4:constant")->reason, "Nobody counts so far.");
    assert_null(mutant_named(&list, "one.c:4:constant-2")->reason);
    assert_null(mutant_named(&list, "shared.h:2:operands")->reason);
    mutant_list_free(&list);
}

// Whether a key of survivors.txt is the change of a generated mutant.
static bool is_generated(const mutant_list *list, const char *key) {
    for (size_t i = list->named; i < list->count; i++) {
        char *its = text_format("%s: %s", strrchr(list->at[i].files[0], '/') + 1, list->at[i].what);
        bool same = strcmp(its, key) == 0;
        free(its);
        if (same) return true;
    }
    return false;
}

// In this repository, where ctest runs the tests: a reason whose source has changed would be
// ignored silently.
TEST(every_reason_is_of_a_mutant) {
    mutant_list list;
    char *line = NULL;
    size_t room = 0, reasons = 0, stray = 0;
    read_all(&list, ".");
    FILE *file = fopen("fuzz/score/mutants/survivors.txt", "r");
    assert_non_null(file);
    while (getline(&line, &room, file) > 0) {
        line[strcspn(line, "\n")] = '\0';
        if (strchr("# ", *line)) continue; // empty lines too
        reasons++;
        if (is_generated(&list, line)) continue;
        fprintf(stderr, "no mutant: %s\n", line);
        stray++;
    }
    fclose(file);
    free(line);
    mutant_list_free(&list);
    assert_true(reasons > 0);
    assert_int_equal(stray, 0);
}

// Returns the order in which a seed shuffles the mutants of a small and a large file.
static char *order(uint64_t seed, size_t *first_of_small) {
    enum { SMALL = 3, ALL = 123 };
    static char small_name[] = "small.c", large_name[] = "large.c";
    char *small[] = {small_name, NULL}, *large[] = {large_name, NULL}, *list = NULL;
    mutant mutants[ALL];
    size_t size;
    for (size_t i = 0; i < ALL; i++)
        mutants[i] = (mutant){.files = i < SMALL ? small : large, .from = i};
    mutants_shuffle(mutants, ALL, seed);
    FILE *stream = open_memstream(&list, &size);
    *first_of_small = ALL;
    for (size_t i = ALL; i-- > 0;) {
        fprintf(stream, "%zu\n", mutants[i].from);
        if (mutants[i].from < SMALL) *first_of_small = i;
    }
    fclose(stream);
    return list;
}

TEST(samples_are_seeded_and_spread) {
    size_t first, other_first;
    char *one = order(1, &first), *again = order(1, &other_first), *other = order(2, &other_first);
    assert_string_equal(one, again);
    assert_string_not_equal(one, other);
    // The first of three is in the first third.
    assert_in_range(first, 0, 41);
    assert_in_range(other_first, 0, 41);
    free(one);
    free(again);
    free(other);
}

// Without libclang's binding, and without Python.
TEST(a_generator_that_fails_says_why, .setup_func = set_up, .teardown_func = test_leave_folder) {
    mutant_list list;
    char error[300], *path = text_format("%s/bin:/usr/bin:/bin", test_folder),
                     *before = strdup(getenv("PATH"));
    put("bin/python3", "#!/bin/sh\nset -e\necho Warning >&2\necho no binding >&2\nexit 1\n");
    setenv("PATH", path, 1);
    assert_true(mutant_list_read(&list, test_folder, error));
    assert_false(mutant_list_generate(&list, test_folder, 1, error));
    assert_string_equal(error, "no binding");
    put("bin/python3", "#!/bin/sh\nexit 127\n");
    assert_false(mutant_list_generate(&list, test_folder, 1, error));
    assert_string_equal(
        error, "generated mutants need python3 and libclang's binding (Debian: python3-clang-19)");
    setenv("PATH", before, 1);
    mutant_list_free(&list);
    free(path);
    free(before);
}

TEST(heads_must_be_complete, .setup_func = set_up, .teardown_func = test_leave_folder) {
    put("fuzz/score/mutants/headless.patch",
        "Allocator: one\nClass: arithmetic\n\nSource: too late\n");
    mutant_list list;
    char error[300];
    assert_false(mutant_list_read(&list, test_folder, error));
    assert_string_equal(error, "fuzz/score/mutants/headless.patch: no line 'Target'");
    mutant_list_free(&list);
}

#define MUTANT "build/fuzz/mutants/m"

// Builds a mutant of a program; returns the program's exit status, or −1 if it was not built.
static int built_of(const char *of, const char *explored, const char *name, build_form form,
                    bool *same, char *error) {
    mutant_list list;
    mutant_builder builder;
    program_build program;
    char *own = text_format("%s/" MUTANT, test_folder), *path = text_format("%s/%s", own, of);
    read_all(&list, test_folder);
    const mutant *m = mutant_named(&list, name);
    assert_non_null(m);
    assert_true(mutant_builder_open(&builder, test_folder, error));
    if (!program_build_read(&program, &builder, of, explored, error)) fail_msg("%s", error);
    int status = -1;
    bool prepared = mutant_prepare(&builder, m, own, error);
    if (prepared) put(MUTANT "/wrong/one.o", ""); // as of a program before this one
    if (prepared && mutant_is_same_code(&builder, &program, m, own, same, error) &&
        mutant_build(&builder, &program, m, own, form, error))
        status = run_shell(path);
    program_build_free(&program);
    mutant_builder_close(&builder);
    mutant_list_free(&list);
    free(own);
    free(path);
    return status;
}

// Whether the mutant's object is its own.
static bool is_compiled(const char *object) {
    struct stat own, right;
    char *mutated = text_format(MUTANT "/CMakeFiles/%s", object);
    assert_int_equal(stat(mutated, &own), 0);
    char *path = text_format("build/fuzz/CMakeFiles/%s", object);
    assert_int_equal(stat(path, &right), 0);
    free(mutated);
    free(path);
    return own.st_ino != right.st_ino;
}

static int built(const char *name, build_form form, bool *same, char *error) {
    return built_of("heap-one", NULL, name, form, same, error);
}

// A launcher, such as ccache, precedes the compiler and may report relative dependencies.
TEST(a_compiler_may_be_launched, .setup_func = set_up, .teardown_func = test_leave_folder) {
    bool same;
    char error[300] = "";
    int status = built_of("heap-launched", NULL, "half-is-a-third", BUILD_SILENT, &same, error);
    if (status < 0) fail_msg("%s", error);
    assert_int_equal(status, 4 + 20);
    assert_false(same);
}

// The explorer contains all strategies, compiled from one source, and runs one.
TEST(of_the_explorer_one_strategy_is_built, .setup_func = set_up,
     .teardown_func = test_leave_folder) {
    bool same;
    char error[300] = "";
    built_of("linmem-explorer", "one", "half-is-a-third", BUILD_SILENT, &same, error);
    assert_string_equal(error, "");
    assert_false(same);
    assert_true(is_compiled("x1.dir/explore.c.o"));
    assert_false(is_compiled("x2.dir/explore.c.o"));
    built_of("linmem-explorer", NULL, "half-is-a-third", BUILD_SILENT, &same, error);
    assert_true(is_compiled("x1.dir/explore.c.o"));
    assert_true(is_compiled("x2.dir/explore.c.o"));
}

TEST(mutants_are_built_beside_the_right_code, .setup_func = set_up,
     .teardown_func = test_leave_folder) {
    bool same;
    char error[300] = "";
    assert_int_equal(built("half-is-a-third", BUILD_SILENT, &same, error), 10 / 3 + 1 + 20);
    assert_false(same);
    assert_int_equal(built("twice-is-thrice", BUILD_SILENT, &same, error), 6 + 30); // in an archive
    assert_int_equal(built("shared.h:2:constant-2", BUILD_SILENT, &same, error), 11 + 20);
    assert_int_equal(built("half-is-a-third", BUILD_COUNTED, &same, error), 77);
    assert_int_equal(run_shell("build/fuzz/heap-one"), 6 + 20);
    assert_true(is_compiled("one.dir/alloc/strategies/one.c.o"));
    assert_false(is_compiled("all.dir/alloc/strategies/one.c.o")); // which is not linked
}

TEST(mutants_are_built_of_what_lies_elsewhere, .setup_func = set_up,
     .teardown_func = test_leave_folder) {
    bool same;
    char error[300] = "";
    put("fuzz/score/mutants/main-adds-more.patch",
        "Allocator: none\nClass: readers\nSource: ours\nTarget: trace\nWhat: more\n\n"
        "--- a/corpus/main.c\n+++ b/corpus/main.c\n@@ -1,4 +1,4 @@\n"
        " #include \"alloc/allocator.h\"\n int main(void) {\n-    return one(10) + two(10);\n"
        "+    return one(10) + two(10) + 5;\n }\n");
    assert_int_equal(built("main-adds-more", BUILD_SILENT, &same, error), 6 + 20 + 5);
    assert_false(same);
}

TEST(what_is_the_same_code_is_known, .setup_func = set_up, .teardown_func = test_leave_folder) {
    bool same = false;
    char error[300];
    put("alloc/strategies/one.c", "#include \"alloc/allocator.h\"\n"
                                  "#include \"alloc/strategies/shared.h\"\n"
                                  "int one(int a) {\n    a = 5 < 6;\n    return half(a) + 1;\n}\n");
    built("one.c:4:comparison", BUILD_SILENT, &same, error);
    assert_true(same);
    built("one.c:5:constant", BUILD_SILENT, &same, error);
    assert_false(same);
    assert_int_equal(built("other.c:2:constant", BUILD_SILENT, &same, error), -1);
    assert_true(same); // the program is not made of it
}

TEST(what_does_not_build_says_why, .setup_func = set_up, .teardown_func = test_leave_folder) {
    bool same;
    char error[300] = "";
    put("fuzz/score/mutants/half-is-a-third.patch",
        "Allocator: one\nClass: arithmetic\nSource: ours\nTarget: heap\nWhat: a third\n\n"
        "--- a/alloc/strategies/shared.h\n+++ b/alloc/strategies/shared.h\n@@ -1,3 +1,3 @@\n"
        " static inline int half(int a) {\n-    return a / 2;\n+    return a / b;\n }\n");
    assert_int_equal(built("half-is-a-third", BUILD_SILENT, &same, error), -1);
    assert_non_null(strstr(error, "half-is-a-third: exit status 1: error: "));
    put("fuzz/score/mutants/half-is-a-third.patch",
        "Allocator: one\nClass: arithmetic\nSource: ours\nTarget: heap\nWhat: a third\n\n"
        "--- a/alloc/strategies/shared.h\n+++ b/alloc/strategies/shared.h\n@@ -1,3 +1,3 @@\n"
        " static inline int halves(int a) {\n-    return a / 2;\n+    return a / 3;\n }\n");
    assert_int_equal(built("half-is-a-third", BUILD_SILENT, &same, error), -1);
    assert_non_null(strstr(error, "half-is-a-third: exit status 1: "));
}

TEST(without_a_build_there_is_no_score, .setup_func = set_up, .teardown_func = test_leave_folder) {
    char error[300];
    assert_int_equal(unlink("build/fuzz/build.ninja"), 0);
    mutant_builder builder;
    assert_false(mutant_builder_open(&builder, test_folder, error));
    assert_string_equal(error, "preset fuzz is not configured; run: cmake --preset fuzz");
}

TEST(an_odd_path_is_refused) {
    mutant_builder b;
    char error[300];
    assert_false(mutant_builder_open(&b, "/tmp/my repository", error));
    assert_non_null(strstr(error, "with spaces"));
    assert_false(mutant_builder_open(&b, "/tmp/it's", error));
}

TEST_MAIN(NULL, NULL)
