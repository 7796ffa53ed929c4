#!/usr/bin/env python3
"""Mutants of small sources: what mutate.py lists, and that what it lists compiles."""

import json
import os
import subprocess
import sys
import tempfile
import unittest

STRATEGIES = "alloc/strategies/"
FOLDER = os.path.dirname(os.path.abspath(__file__))
STRATEGY = """
#define LM_CHECK(law) ((void)(0 && (law)))
#define LM_LIKELY(x)   __builtin_expect(!!(x), 1)
typedef struct lm_census { int a; } lm_census;
typedef struct heap { int n, m; } heap;
int g(int a), k(int a, int b);
"""


def mutants_of(files, compiles=False):
    """The mutants of a repository of these files; whether each compiles as well."""
    with tempfile.TemporaryDirectory() as root:
        files = {f"alloc/buffers/{name}.c": "" for name in
                 ["counts", "buffer_table", "finalizer", "view"]} | {
                     STRATEGIES + "strategy.h": STRATEGY} | files
        for path, text in files.items():
            os.makedirs(os.path.join(root, os.path.dirname(path)), exist_ok=True)
            with open(os.path.join(root, path), "w") as file:
                file.write(text)
        ran = subprocess.run([sys.executable, FOLDER + "/mutate.py", root], capture_output=True,
                             text=True, check=False)
        if ran.returncode:
            return ran.stderr
        found = json.loads(ran.stdout)
        for mutant in found if compiles else []:
            path = os.path.join(root, mutant["file"])
            right = files[mutant["file"]].encode()
            with open(path, "wb") as file:
                file.write(right[:mutant["from"]] + mutant["text"].encode() +
                           right[mutant["to"]:])
            mutant["compiles"] = subprocess.run(
                ["clang-19", "-std=c17", "-fsyntax-only", "-w", "-I", root, "-include",
                 FOLDER + "/mutants/mutant.h", os.path.join(root, STRATEGIES, "x.c")],
                capture_output=True, check=False).returncode == 0
            with open(path, "wb") as file:
                file.write(right)
        return found


def listed(text, kind):
    """The mutants of one operator, or of all (""): "LINE:OPERATOR: CHANGED LINE" each."""
    text = '#include "alloc/strategies/strategy.h"\n' + text
    return [m["name"].removeprefix("x.c:") + ": " + m["what"].split("  =>  ")[1]
            for m in mutants_of({STRATEGIES + "x.c": text})
            if m["file"].endswith("x.c") and kind in ("", m["class"])]


class Mutants(unittest.TestCase):
    maxDiff = None

    def test_operators_take_their_operands_along(self):
        self.assertEqual(
            listed("int f(int a, int b) {\n    return a + b * 2 < b - a - 1;\n}\n", "comparison"),
            ["3:comparison: return a + b * 2 <= b - a - 1;"])
        self.assertEqual(
            listed("int f(int a, int *h) {\n    return k(a, 5) - a * 2 - h[1];\n}\n", "operands"),
            ["3:operands: return (a * 2) - (k(a, 5)) - h[1];",
             "3:operands-2: return (h[1]) - (k(a, 5) - a * 2);"])
        self.assertEqual(
            listed("int f(int *a, int b) {\n    return (unsigned)-b & *a | b - -b;\n}\n",
                   "arithmetic"),
            ["3:arithmetic: return (unsigned)-b | *a | b - -b;",
             "3:arithmetic-2: return (unsigned)-b & *a & b - -b;",
             "3:arithmetic-3: return (unsigned)-b & *a | b + -b;"])
        self.assertEqual(
            listed("int f(int *a) {\n    return a && *a || !a;\n}\n", "logic"),
            ["3:logic: return a || *a || !a;", "3:logic-2: return a && *a && !a;"])

    def test_conditions_are_negated_and_arms_swapped(self):
        self.assertEqual(
            listed("int f(int a) {\n    if (a) a = 0;\n    while (a) a--;\n"
                   "    return a ? a > 1 ? 1 : 2 : g(a);\n}\n", "condition"),
            ["3:condition: if (!(a)) a = 0;",
             "5:condition: return a ? g(a) : a > 1 ? 1 : 2;",
             "5:condition-2: return a ? a > 1 ? 2 : 1 : g(a);"])

    def test_constants_are_off_by_one(self):
        self.assertEqual(
            listed("enum { A = 5 };\nint f(int a) {\n    switch (a) {\n    case 3:\n"
                   "        return 0x10u;\n    }\n    return 0;\n}\n", "constant"),
            ["6:constant: return 17u;", "6:constant-2: return 15u;", "8:constant: return 1;"])

    def test_statements_are_left_out(self):
        self.assertEqual(
            listed("void f(heap *h, int n) {\n    heap *other = h;\n    int list[] = {n, n};\n"
                   "    (void)list;\n    if (n) return;\n    else h->n = 2;\n"
                   "    for (int i = 0; i < n; i++)\n        g(i);\n    *h = (heap){n};\n"
                   "    return;\n}\n", "statement"),
            ["6:statement: if (n) ;", "7:statement: else ;", "9:statement: ;", "10:statement: ;"])

    def test_assignments_change_their_operator(self):
        self.assertEqual(
            listed("void f(heap *h) {\n    h->n += 2 * h->m;\n    h->n++;\n    --h->n;\n"
                   "    h->n = 1;\n}\n", "arithmetic"),
            ["3:arithmetic: h->n -= 2 * h->m;", "4:arithmetic: h->n--;", "5:arithmetic: ++h->n;"])

    def test_macros_keep_their_place(self):
        self.assertEqual(
            listed("#define MORE 7\n#define ONE(n) (1u << (n))\n"
                   "int f(int a) {\n    return LM_LIKELY(a < MORE) + ONE(a + 1);\n}\n", ""),
            ["5:comparison: return LM_LIKELY(a <= MORE) + ONE(a + 1);",
             "5:arithmetic: return LM_LIKELY(a < MORE) - ONE(a + 1);"])

    def test_what_is_not_the_code_is_left_alone(self):
        for text in [
                "// a < b\n/* c\n && d */\n",
                "#define LESS(a, b) ((a) < \\\n    (b) + 1)\n",
                'const char *s = "a < b && c";\nint a = 1 + 1;\nenum { B = 2 << 3 };\n',
                'void f(int a) {\n    _Static_assert(1 < 2, "");\n'
                "    LM_CHECK(a < 2 && g(a + 1));\n}\n",
                "void f(int a) {\n#if LM_CHECK_LEVEL >= 1\n    g(a < 1);\n#endif\n}\n",
                "void f(int a) {\n    if (LM_CHECK_LEVEL >= 1) {\n        g(a + 1);\n    }\n}\n",
                'const char *law(int a) {\n    return a < 1 ? "law" : 0;\n}\n',
                "int f(lm_census *census) {\n    return census->a < 1;\n}\n",
                # Functions that only the walk and checks call.
                "static int h(int a) {\n    return a + 1;\n}\n"
                "static int p(int a) {\n    return h(a) < 1;\n}\n"
                'const char *law(int a) {\n    return p(a) ? "law" : 0;\n}\n',
                "static int p(int a) {\n    return a < 1;\n}\n"
                "void f(void) {\n    LM_CHECK(p(1));\n}\n",
        ]:
            self.assertEqual(listed(text, ""), [], text)

    def test_what_others_call_too_is_code(self):
        less = "static int p(int a) {\n    return a < 1;\n}\n"
        law = 'const char *law(int a) {\n    return p(a) ? "law" : 0;\n}\n'
        for other in ["int f(int a) {\n    return p(a);\n}\n", "int (*table)(int) = p;\n"]:
            self.assertEqual(listed(less + law + other, "comparison"),
                             ["3:comparison: return a <= 1;"])

    def test_included_parts_have_their_own_names(self):
        files = {STRATEGIES + "part.inc.h": "static int half(int a) {\n    return a / 2;\n}\n"}
        for name in "xy":
            files[STRATEGIES + name + ".c"] = (
                f'#include "{STRATEGIES}part.inc.h"\n'
                f"int {name}(int a) {{\n    return half(a);\n}}\n")
        found = mutants_of(files)
        self.assertEqual([m["name"].removeprefix("part.inc.h:2:") for m in found],
                         ["operands", "constant", "constant-2"])
        self.assertEqual([found[0][key] for key in ("file", "users", "from", "to", "what")],
                         [STRATEGIES + "part.inc.h", ["x", "y"], 36, 41,
                          "return a / 2;  =>  return (2) / (a);"])

    def test_both_compilations_of_counts_are_read(self):
        counts = ("#ifdef LM_ATOMIC_COUNTS\nint f(int a) {\n    return a < 1;\n}\n#else\n"
                  "int f(int a) {\n    return a > 1;\n}\n#endif\n")
        found = mutants_of({"alloc/buffers/counts.c": counts})
        self.assertEqual([m["name"] for m in found if m["class"] == "comparison"],
                         ["counts.c:3:comparison", "counts.c:7:comparison"])

    def test_a_mutant_counts_itself_and_compiles(self):
        text = ('#include "alloc/strategies/strategy.h"\n'
                "static int pure(int a) {\n    return a;\n}\n"
                "int f(int a, heap *h, heap *i) {\n    a += pure(a) < 1; // café\n"
                '    const char *s = "a < b; c";\n'
                "    if (*s && LM_LIKELY(a /* < */ > 2)) *h = *i;\n"
                "    h->n = i->n;\n    a = g(a) ? -a : a << 3;\n    return g(a) < 1;\n}\n")
        found = {m["name"]: m for m in mutants_of({STRATEGIES + "x.c": text}, True)}
        for name, expected in {
                "x.c:6:comparison": "LM_MUTANT(lm_wrong != (pure(a) < 1))",  # both are computed
                "x.c:11:comparison": "LM_MUTANT(1); (g(a) <= 1);",  # which would call g twice
                "x.c:8:comparison": "lm_wrong = (a >= 2); LM_MUTANT(lm_wrong != (a /* < */ > 2));",
                "x.c:8:statement": "{ LM_MUTANT(1); ; }",  # structures cannot be compared
                "x.c:9:statement": "{ LM_MUTANT((h->n) != (i->n)); ; }",
                "x.c:10:condition": "(g(a) ? a << 3 : -a)",
        }.items():
            self.assertIn(expected, found[name]["text"], name)
        self.assertEqual([name for name, m in found.items() if not m["compiles"]], [])

    def test_what_does_not_parse_is_named(self):
        self.assertIn("x.c:1: expected ", mutants_of({STRATEGIES + "x.c": "int f(void) {"}))


if __name__ == "__main__":
    unittest.main()
