"""What python3 is recorded doing: reading its own library, as linters and type checkers do.

Parses modules to syntax trees and keeps them, walks them, tokenises their text, counts words, and
writes what it found as JSON, back and forth.
"""
import ast
import collections
import json
import os
import re
import sysconfig

LIBRARY = sysconfig.get_paths()["stdlib"]
MODULES = ["heapq.py", "textwrap.py", "json/decoder.py", "queue.py", "shlex.py"]
TOKEN = re.compile(r"(?P<name>[A-Za-z_]\w*)|(?P<number>\d+)|(?P<text>'[^'\n]*')|(?P<other>\S)")


def read(name):
    with open(os.path.join(LIBRARY, name), encoding="utf-8") as file:
        return file.read()


def functions(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            calls = sorted({c.func.id for c in ast.walk(node)
                            if isinstance(c, ast.Call) and isinstance(c.func, ast.Name)})
            yield {"name": node.name, "line": node.lineno, "calls": calls,
                   "arguments": [a.arg for a in node.args.args]}


def main():
    trees, report = {}, {}
    words = collections.Counter()
    follows = collections.defaultdict(collections.Counter)
    for name in MODULES:
        text = read(name)
        trees[name] = ast.parse(text)
        before = None
        for match in TOKEN.finditer(text):
            word = match.group()
            words[match.lastgroup, word] += 1
            follows[before][word] += 1
            before = word
        report[name] = list(functions(trees[name]))
    report["words"] = {f"{kind} {word}": count for (kind, word), count in words.most_common(500)}
    report["follows"] = {str(word): dict(after) for word, after in follows.items()}
    for _ in range(3):
        again = json.loads(json.dumps(report, indent=1, sort_keys=True))
        assert again == report
        report["text"] = [line.upper().split() for line in ast.unparse(trees["heapq.py"]).splitlines()]
    print(len(trees), len(report["words"]), sum(map(len, report["text"])))


main()
