#!/usr/bin/env python3
"""mutate.py ROOT: prints the mutants generated from the strategies and buffers below ROOT.

A mutant is one small change in a function's body:

    comparison  < <=, > >=, == !=            operands   a - b: b - a; the same for / % << >>
    logic       && ||                        constant   one more; one less
    condition   if (!(a)), a ? c : b         statement  left out
    arithmetic  + -, & |, << >>, += -=, |= &=, ++ --

Not changed are static assertions, LM_CHECK, code for a check level above 0, code that is not
compiled, and the heap walk: functions that return const char * (a broken law's name) or take a
census, and functions that only these, or checks, refer to.

The output is a JSON array of objects, by file and by place: `name` (FILE:LINE:OPERATOR, -2 and so
on if there are several), `class` (the operator), `file`, `users` (the strategies that contain the
file, or "buffers"), `from` and `to` (the bytes to replace), `text` (the replacement) and `what`
(the lines before and after).

`text` counts itself with LM_MUTANT (fuzz/score/mutants/mutant.h): reached when it runs; triggered
if its value differs from the right one, or always if computing both values could repeat a side
effect.
"""

import glob
import json
import os
import re
import sys

sys.path.append("/usr/lib/python3/dist-packages")  # Debian's, if python3 is another installation
try:
    from clang.cindex import CursorKind as Kind, Index, LibclangError, TypeKind
except ImportError:
    sys.exit("generated mutants need libclang's Python binding (Debian: python3-clang-19)")

BUFFERS = ["counts.c", "buffer_table.c", "finalizer.c", "view.c"]
NOT_MUTATED = ["alloc/allocator.h", "alloc/linear_memory.h"]  # the interface, and its memory
ARGUMENTS = ["-std=c17", "-w", "-DLM_CHECK_LEVEL=0"]
VARIANTS = {"alloc/buffers/counts.c": ["-DLM_ATOMIC_COUNTS"]}  # compiled a second time

SWAPPED = {"comparison": "< <= > >= == !=", "logic": "&& ||", "arithmetic": "+ - & | << >>"}
ASSIGNING = {"arithmetic": "+= -= |= &= ++ --"}
ONE_WAY = ["-", "/", "%", "<<", ">>"]
BLANK = re.compile(rb"(?:\s|//[^\n]*|/\*.*?\*/)*", re.S)
OPERATOR = re.compile(rb"<<=|>>=|<<|>>|&&|\|\||\+\+|--|[-+*/%&|^<>=!]=|[-+*/%&|^<>=?,]")
# Macros that are parsed as functions, so that libclang gives places in their arguments.
SHOWN = re.compile(rb"#define (LM_CHECK|LM_LIKELY|LM_UNLIKELY)\(\w+\) .*")


def swap(operators, sign):
    """Returns the operator's class and the operator that replaces it, or (None, None)."""
    for name, text in operators.items():
        pairs = text.split()
        if sign in pairs:
            return name, pairs[pairs.index(sign) ^ 1]
    return None, None


# ---- Sources -------------------------------------------------------------------------------------


class Source:
    def __init__(self, root, path):
        self.path, self.full = path, os.path.join(root, path)
        self.users, self.found = [], {}
        with open(self.full, "rb") as file:
            self.bytes = file.read()

    def text(self, start, end):
        return self.bytes[start:end].decode()

    def line(self, at):
        return self.bytes.count(b"\n", 0, at) + 1

    def operator(self, start, end):
        """Returns the operator between two operands and its place; None if there is none."""
        match = OPERATOR.match(self.bytes, BLANK.match(self.bytes, start).end(), max(start, end))
        return (match[0].decode(), match.start()) if match else (None, None)

    def shown(self):
        return SHOWN.sub(lambda m: (b"int %s();" % m[1]).ljust(len(m[0])), self.bytes)


def add_source(sources, root, path, user):
    """Adds the user to a file and to the files of alloc/ that it includes."""
    if path not in sources:
        sources[path] = Source(root, path)
    source = sources[path]
    if user in source.users[-1:]:
        return
    source.users.append(user)
    for included in re.findall(rb'#include "(alloc/[^"]*)"', source.bytes):
        if included.decode() not in NOT_MUTATED:
            add_source(sources, root, included.decode(), user)


def read_sources(root):
    sources, units = {}, []
    for pattern in ["alloc/strategies/*.c", "alloc/strategies/*/*.c"]:
        for full in sorted(glob.glob(os.path.join(root, pattern))):
            if not full.endswith("_test.c"):
                units.append((os.path.relpath(full, root), os.path.basename(full)[:-2]))
    units += [("alloc/buffers/" + name, "buffers") for name in BUFFERS]
    for path, user in units:
        add_source(sources, root, path, user)
    return sources, [path for path, _ in units]


# ---- Functions -----------------------------------------------------------------------------------


def parse(root, sources, units):
    """Returns the parsed units, and all their functions: (source, name, cursor)."""
    index = Index.create()
    shown = [(s.full, s.shown()) for s in sources.values() if SHOWN.search(s.bytes)]
    by_file = {source.full: source for source in sources.values()}
    parsed, functions = [], []
    for path in units:
        for variant in [[]] + ([VARIANTS[path]] if path in VARIANTS else []):
            unit = index.parse(sources[path].full, ARGUMENTS + variant + ["-I", root], shown)
            for problem in unit.diagnostics:
                if problem.severity >= problem.Error:
                    sys.exit(f"{problem.location.file}:{problem.location.line}: {problem.spelling}")
            parsed.append(unit)
            for cursor in unit.cursor.get_children():
                source = by_file.get(cursor.location.file and cursor.location.file.name)
                if source and cursor.kind == Kind.FUNCTION_DECL and cursor.is_definition():
                    functions.append((source, cursor.spelling, cursor))
    return parsed, functions


def body_of(cursor):
    return [c for c in cursor.get_children() if c.kind == Kind.COMPOUND_STMT][0]


def is_check(cursor):
    return cursor.kind == Kind.STATIC_ASSERT or (
        cursor.kind == Kind.CALL_EXPR and cursor.spelling == "LM_CHECK")


def add_references(references, cursor, by):
    """Adds pairs (by, name of a reference); by None outside of functions, by "" in checks."""
    for child in cursor.get_children():
        if child.kind == Kind.DECL_REF_EXPR:
            references.add((by, child.spelling))
        is_body = child.kind == Kind.FUNCTION_DECL and child.is_definition()
        add_references(references, child,
                       child.spelling if is_body else "" if is_check(child) else by)


def find_walk(units, functions):
    """Returns the names of the functions that belong to the walk."""
    references, walk = set(), {""}
    for unit in units:
        add_references(references, unit.cursor, None)
    for _, name, cursor in functions:
        takes = [argument.type.spelling for argument in cursor.get_arguments()]
        if cursor.result_type.spelling == "const char *" or any("lm_census" in t for t in takes):
            walk.add(name)
    named = {name for _, name, _ in functions} & {name for _, name in references}
    while True:
        wanted = {name for by, name in references if by not in walk and by != name}
        if named <= wanted | walk:
            return walk
        walk |= named - wanted


def is_pure(pure, text):
    """Whether an expression has no assignments and calls only pure functions, macros, builtins."""
    text = re.sub(r"//[^\n]*|/\*.*?\*/", "", text, flags=re.S)
    called = re.findall(r"(\w+)\s*\(", text)
    return not re.search(r"(?<![=!<>])=(?!=)|<<=|>>=|\+\+|--|{", text) and all(
        pure[name] if name in pure else
        name == name.upper() or name == "sizeof" or name.startswith("__builtin_")
        for name in called)


def find_pure(functions):
    """Returns for each function name whether its body is one return of a pure expression."""
    pure = {name: True for _, name, _ in functions}
    returned = set()
    for source, name, cursor in functions:
        body = body_of(cursor).extent
        text = source.text(body.start.offset, body.end.offset)
        one = re.fullmatch(r"{\s*return\b([^;]*);\s*}", re.sub(r"//[^\n]*", "", text))
        if one:
            returned.add((name, one[1]))
        else:
            pure[name] = False
    while True:
        lost = {name for name, text in returned if pure[name] and not is_pure(pure, text)}
        if not lost:
            return pure
        pure.update(dict.fromkeys(lost, False))


# ---- Mutants -------------------------------------------------------------------------------------


class Finder:
    """Finds the mutants of one function's body."""

    def __init__(self, source, pure):
        self.source, self.pure = source, pure

    def add(self, order, kind, at, start, end, plain, counted):
        self.source.found.setdefault((order, at, kind, plain), (start, end, counted))

    def add_value(self, kind, at, start, end, plain, order=2):
        """An expression becomes another one."""
        right = self.source.text(start, end)
        if is_pure(self.pure, right):
            counted = (f"LM_MUTANT(0); __auto_type lm_wrong = ({plain}); "
                       f"LM_MUTANT(lm_wrong != ({right})); lm_wrong;")
        else:
            counted = f"LM_MUTANT(1); ({plain});"
        self.add((at, order), kind, at, start, end, plain, "(__extension__({ %s }))" % counted)

    def binary(self, left, right):
        sign, at = self.source.operator(left[1], right[0])
        if not sign:
            return
        one, other = self.source.text(*left), self.source.text(*right)
        kind, instead = swap(SWAPPED, sign)
        if kind:
            self.add_value(kind, at, left[0], right[1], f"{one} {instead} {other}")
        if sign in ONE_WAY:
            self.add_value("operands", at, left[0], right[1], f"({other}) {sign} ({one})")

    def choice(self, when, then, otherwise):
        sign, at = self.source.operator(when[1], then[0])
        if sign == "?":
            texts = [self.source.text(*part) for part in (when, otherwise, then)]
            self.add_value("condition", at, when[0], otherwise[1], "{} ? {} : {}".format(*texts))

    def constant(self, start):
        literal = re.compile(rb"(0[xX][0-9a-fA-F]+|\d+)([uUlL]*)\b").match(self.source.bytes, start)
        if not literal or re.search(rb"\bcase\s*$", self.source.bytes[:start][-20:]):
            return
        digits, suffix = literal[1].decode(), literal[2].decode()
        value = int(digits, 8 if re.fullmatch("0[0-7]+", digits) else 0)
        for order, other in enumerate([value + 1, value - 1][:1 + (value > 0)]):
            self.add_value("constant", start, start, literal.end(), f"{other}{suffix}", 2 + order)

    def statement(self, cursor, start, end):
        """A statement is left out; an assignment changes its operator."""
        end = self.source.bytes.index(b";", end) + 1
        kids = [place(child) for child in cursor.get_children()]
        sign, at, triggered = None, None, "1"
        if cursor.kind == Kind.UNARY_OPERATOR:
            sign, at = self.source.operator(start, end)  # before its operand, or behind
            if sign not in ("++", "--"):
                sign, at = self.source.operator(kids[0][1], end)
        elif len(kids) == 2 and cursor.kind != Kind.CALL_EXPR:
            sign, at = self.source.operator(kids[0][1], kids[1][0])
        if sign == "=" and cursor.type.get_canonical().kind != TypeKind.RECORD:
            left, right = self.source.text(start, kids[0][1]), self.source.text(*kids[1])
            if is_pure(self.pure, left) and is_pure(self.pure, right):
                triggered = f"({left}) != ({right})"
        counted = f"{{ LM_MUTANT({triggered}); ; }}"
        self.add((start, 0), "statement", start, start, end, ";", counted)
        kind, instead = swap(ASSIGNING, sign)
        if kind:
            plain = self.source.text(start, at) + instead + self.source.text(at + len(sign), end)
            self.add((start, 1), kind, at, start, end, plain, "{ LM_MUTANT(1); %s }" % plain)

    def visit_statement(self, cursor, after_condition):
        start, end = place(cursor)
        leaves = cursor.kind in (Kind.RETURN_STMT, Kind.BREAK_STMT, Kind.CONTINUE_STMT)
        if leaves and after_condition:
            end = self.source.bytes.index(b";", end) + 1
            self.add((start, 0), "statement", start, start, end, ";", "{ LM_MUTANT(1); ; }")
        is_void = self.source.bytes.startswith(b"(void)", start)
        if cursor.kind.is_expression() and not is_void and not is_check(cursor):
            self.statement(cursor, start, end)
        self.visit(cursor)

    def visit(self, cursor):
        kids = list(cursor.get_children())
        if is_check(cursor):
            return
        if cursor.kind == Kind.COMPOUND_STMT:
            for child in kids:
                self.visit_statement(child, False)
            return
        if cursor.kind == Kind.IF_STMT:
            condition = place(kids[0])
            text = self.source.text(*condition)
            if "LM_CHECK_LEVEL" in text:
                kids[:2] = []
            else:
                self.add_value("condition", place(cursor)[0], *condition, f"!({text})")
                self.visit(kids.pop(0))
                self.visit_statement(kids.pop(0), True)
            for otherwise in kids:
                self.visit_statement(otherwise, False)
            return
        if cursor.kind in (Kind.FOR_STMT, Kind.WHILE_STMT):
            self.visit_statement(kids.pop(), True)
        elif cursor.kind == Kind.DO_STMT:
            self.visit_statement(kids.pop(0), False)
        elif cursor.kind in (Kind.BINARY_OPERATOR, Kind.CONDITIONAL_OPERATOR):
            find = self.binary if len(kids) == 2 else self.choice
            find(*[place(child) for child in kids])
        elif cursor.kind == Kind.INTEGER_LITERAL:
            self.constant(cursor.extent.start.offset)
        for child in kids:
            self.visit(child)


def place(cursor):
    return cursor.extent.start.offset, cursor.extent.end.offset


def lines_at(text, start, end):
    """Returns the lines that contain bytes start … end, joined and trimmed."""
    start = text.rfind(b"\n", 0, start) + 1
    line_end = text.find(b"\n", end)
    return text[start:line_end].strip(b" \t").decode().replace("\n", " ")


def describe(source):
    """Yields the source's mutants as they are printed."""
    count = {}
    for (_, at, kind, plain), (start, end, counted) in sorted(source.found.items()):
        name = f"{os.path.basename(source.path)}:{source.line(at)}:{kind}"
        count[name] = count.get(name, 0) + 1
        if count[name] > 1:
            name += f"-{count[name]}"
        mutated = source.bytes[:start] + plain.encode() + source.bytes[end:]
        before = lines_at(source.bytes, start, end)
        after = lines_at(mutated, start, start + len(plain.encode()))
        yield {"name": name, "class": kind, "file": source.path, "users": source.users,
               "from": start, "to": end, "text": counted, "what": f"{before}  =>  {after}"}


def main(root):
    sources, units = read_sources(root)
    try:
        parsed, functions = parse(root, sources, units)
    except LibclangError as error:
        sys.exit(f"generated mutants need libclang (Debian: python3-clang-19): {error}")
    walk, pure = find_walk(parsed, functions), find_pure(functions)
    for source, name, cursor in functions:
        if name not in walk:
            Finder(source, pure).visit(body_of(cursor))
    mutants = [mutant for source in sources.values() for mutant in describe(source)]
    print("[" + ",\n".join(json.dumps(mutant) for mutant in mutants) + "]")


if __name__ == "__main__":
    main(*sys.argv[1:])
