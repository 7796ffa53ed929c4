// Mutations of small sources, as they are listed.
#include "fuzz/score/mutate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

// All of a source's mutations of one kind, or of all (MUTATION_KINDS): "NAME: LINE" each.
static char *listed(const char *text, mutation_kind kind) {
    mutate_source source = {"alloc/x.c", text};
    mutations found;
    char error[200], *list = NULL;
    size_t size;
    assert_true(mutate_find(&found, &source, 1, error));
    FILE *stream = open_memstream(&list, &size);
    for (size_t i = 0; i < found.count; i++) {
        if (kind != MUTATION_KINDS && found.at[i].kind != kind) continue;
        char *before, *after;
        mutate_show(&found.at[i], text, &before, &after);
        fprintf(stream, "%s: %s\n", found.at[i].name, after);
        free(before);
        free(after);
    }
    fclose(stream);
    mutations_free(&found);
    return list;
}

static void expect(const char *text, mutation_kind kind, const char *list) {
    char *found = listed(text, kind);
    assert_string_equal(found, list);
    free(found);
}

static void operators_take_their_operands_along(void **state) {
    (void)state;
    expect("int f(int a, int b) {\n    return a + b * 2 < b - a - 1;\n}\n", MUTATE_COMPARISON,
           "x.c:2:comparison: return a + b * 2 <= b - a - 1;\n");
    expect("int f(int a, int b) {\n    return g(a, b) - b * 2 - h[1];\n}\n", MUTATE_OPERANDS,
           "x.c:2:operands: return (b * 2) - (g(a, b)) - h[1];\n"
           "x.c:2:operands-2: return (h[1]) - (g(a, b) - b * 2);\n");
    expect("int f(int *a, int b) {\n    return (unsigned)-b & *a | b - -b;\n}\n", MUTATE_ARITHMETIC,
           "x.c:2:arithmetic: return (unsigned)-b | *a | b - -b;\n"
           "x.c:2:arithmetic-2: return (unsigned)-b & *a & b - -b;\n"
           "x.c:2:arithmetic-3: return (unsigned)-b & *a | b + -b;\n");
    expect("int f(int *a) {\n    return a && *a || !a;\n}\n", MUTATE_LOGIC,
           "x.c:2:logic: return a || *a || !a;\n"
           "x.c:2:logic-2: return a && *a && !a;\n");
}

static void conditions_are_negated_and_arms_swapped(void **state) {
    (void)state;
    expect("int f(int a) {\n    if (a) a = 0;\n    while (a) a--;\n"
           "    return a ? a > 1 ? 1 : 2 : g(a);\n}\n",
           MUTATE_CONDITION,
           "x.c:2:condition: if (!(a)) a = 0;\n"
           "x.c:4:condition: return a ? g(a) : a > 1 ? 1 : 2;\n"
           "x.c:4:condition-2: return a ? a > 1 ? 2 : 1 : g(a);\n");
}

static void constants_are_off_by_one(void **state) {
    (void)state;
    expect("enum { A = 5 };\nint f(int a) {\n    switch (a) {\n    case 3:\n        return 0x10u;\n"
           "    }\n    return 0;\n}\n",
           MUTATE_CONSTANT,
           "x.c:5:constant: return 17u;\nx.c:5:constant-2: return 15u;\n"
           "x.c:7:constant: return 1;\n");
}

static void statements_are_dropped(void **state) {
    (void)state;
    expect("void f(heap *h, int n) {\n    heap *other = h;\n    int list[] = {n, n};\n"
           "    (void)list;\n    if (n) return;\n    else h->n = 2;\n"
           "    for (int i = 0; i < n; i++)\n        g(i);\n    *h = (heap){n};\n    return;\n}\n",
           MUTATE_STATEMENT,
           "x.c:5:statement: if (n) ;\nx.c:6:statement: else ;\n"
           "x.c:8:statement: ;\nx.c:9:statement: ;\n");
}

static void assignments_change_their_operator(void **state) {
    (void)state;
    expect("void f(heap *h) {\n    h->n += 2 * n;\n    h->n++;\n    h->n = n;\n}\n",
           MUTATE_ARITHMETIC, "x.c:2:arithmetic: h->n -= 2 * n;\nx.c:3:arithmetic: h->n--;\n");
}

static void what_is_not_the_code_is_left_alone(void **state) {
    (void)state;
    static const char *const alone[] = {
        "// a < b\n/* c\n && d */\n",
        "#define LESS(a, b) ((a) < \\\n    (b) + 1)\n",
        "const char *s = \"a < b && c\";\nint a = 1 + 1;\nenum { B = 2 << 3 };\n",
        "void f(void) {\n    _Static_assert(1 < 2, \"\");\n    LM_CHECK(a < b && g(c + 1));\n}\n",
        "void f(void) {\n#if LM_CHECK_LEVEL >= 1\n    g(a < b);\n#endif\n}\n",
        "void f(void) {\n    if (LM_CHECK_LEVEL >= 1) g(a + b);\n}\n",
        "void f(void) {\n    if (LM_CHECK_LEVEL >= 1) {\n        g(a + b);\n    }\n}\n",
        "const char *law(int a) {\n    return a < 1 ? \"law\" : 0;\n}\n",
        "int f(lm_census *census) {\n    return census->a < 1;\n}\n",
        // Whom only the walk and checks call.
        "int h(int a) {\n    return a + 1;\n}\nint g(int a) {\n    return h(a) < 1;\n}\n"
        "const char *law(int a) {\n    return g(a) ? \"law\" : 0;\n}\n",
        "int g(int a);\nint g(int a) {\n    return a < 1;\n}\n"
        "void f(void) {\n    LM_CHECK(g(1));\n}\n",
    };
    for (size_t i = 0; i < sizeof alone / sizeof *alone; i++)
        expect(alone[i], MUTATION_KINDS, "");
    // But not whom anybody else calls, or a table names.
    expect("int g(int a) {\n    return a < 1;\n}\nconst char *law(int a) {\n"
           "    return g(a) ? \"law\" : 0;\n}\nint f(int a) {\n    return g(a);\n}\n",
           MUTATE_COMPARISON, "x.c:2:comparison: return a <= 1;\n");
    expect("int g(int a) {\n    return a < 1;\n}\nconst char *law(int a) {\n"
           "    return g(a) ? \"law\" : 0;\n}\ntable t = {.g = g};\n",
           MUTATE_COMPARISON, "x.c:2:comparison: return a <= 1;\n");
    expect(
        "void f(void) {\n#if LM_CHECK_LEVEL >= 1\n    g(a < b);\n#else\n    g(a > b);\n#endif\n}\n",
        MUTATE_COMPARISON, "x.c:5:comparison: g(a >= b);\n");
}

static void branches_share_their_brackets(void **state) {
    (void)state;
    expect("typedef struct page {\n#ifdef SHARED\n} page;\nstruct other {\n    int a;\n};\n#else\n"
           "} page;\n#endif\nint f(int a) {\n    return a < 1;\n}\n",
           MUTATE_COMPARISON, "x.c:11:comparison: return a <= 1;\n");
}

static void what_does_not_close_is_named(void **state) {
    (void)state;
    static const struct {
        const char *text, *error;
    } cases[] = {
        {"int f(void) {\n    return (1;\n}\n", "alloc/x.c:3: brackets do not close"},
        {"int f(void) {\n    return 1;\n", "alloc/x.c:1: brackets do not close"},
        {"\n/* for ever", "alloc/x.c:2: brackets do not close"},
        {"\n\nchar *s = \"for\never\";", "alloc/x.c:3: brackets do not close"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        mutate_source source = {"alloc/x.c", cases[i].text};
        mutations found;
        char error[200];
        assert_false(mutate_find(&found, &source, 1, error));
        assert_string_equal(error, cases[i].error);
        mutations_free(&found);
    }
}

// A mutation counts where it can see both values, and says 1 where it must not compute them twice.
static void mutations_count_themselves(void **state) {
    (void)state;
    static const char text[] = "int pure(int a) {\n    return a;\n}\nint f(int a) {\n"
                               "    a += pure(a) < 1;\n    return impure(a) < 1;\n}\n";
    mutate_source source = {"alloc/x.c", text};
    mutations found;
    char error[200];
    assert_true(mutate_find(&found, &source, 1, error));
    size_t compared = 0, assumed = 0;
    for (size_t i = 0; i < found.count; i++) {
        if (found.at[i].kind != MUTATE_COMPARISON) continue;
        char *mutated = mutate_apply(&found.at[i], text, true);
        compared += strstr(mutated, "LM_MUTANT(lm_wrong != (pure(a) < 1))") != NULL;
        assumed += strstr(mutated, "LM_MUTANT(1); (impure(a) <= 1);") != NULL;
        free(mutated);
    }
    assert_int_equal(compared, 1);
    assert_int_equal(assumed, 1);
    mutations_free(&found);
}

static char *order(uint64_t seed, size_t *first_of_small) {
    char small[200] = "int f(int a) {\n    return a < 1;\n}\n", *large = NULL, *list = NULL;
    size_t size;
    FILE *stream = open_memstream(&large, &size);
    fputs("int g(int a) {\n", stream);
    for (int i = 0; i < 30; i++)
        fputs("    a = a < 1;\n", stream);
    fputs("    return a;\n}\n", stream);
    fclose(stream);
    mutate_source sources[] = {{"alloc/small.c", small}, {"alloc/large.c", large}};
    mutations found;
    char error[200];
    assert_true(mutate_find(&found, sources, 2, error));
    assert_int_equal(found.count, 3 + 30 * 4);
    mutate_shuffle(&found, seed);
    *first_of_small = SIZE_MAX;
    stream = open_memstream(&list, &size);
    for (size_t i = 0; i < found.count; i++) {
        if (found.at[i].source == 0 && *first_of_small == SIZE_MAX) *first_of_small = i;
        fprintf(stream, "%s\n", found.at[i].name);
    }
    fclose(stream);
    mutations_free(&found);
    free(large);
    return list;
}

static void samples_are_seeded_and_spread(void **state) {
    (void)state;
    size_t first, other_first;
    char *one = order(1, &first), *again = order(1, &other_first), *other = order(2, &other_first);
    assert_string_equal(one, again);
    assert_string_not_equal(one, other);
    // Of three the first lies in the first third.
    assert_in_range(first, 0, 41);
    assert_in_range(other_first, 0, 41);
    free(one);
    free(again);
    free(other);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(operators_take_their_operands_along),
        cmocka_unit_test(conditions_are_negated_and_arms_swapped),
        cmocka_unit_test(constants_are_off_by_one),
        cmocka_unit_test(statements_are_dropped),
        cmocka_unit_test(assignments_change_their_operator),
        cmocka_unit_test(what_is_not_the_code_is_left_alone),
        cmocka_unit_test(branches_share_their_brackets),
        cmocka_unit_test(what_does_not_close_is_named),
        cmocka_unit_test(mutations_count_themselves),
        cmocka_unit_test(samples_are_seeded_and_spread),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
