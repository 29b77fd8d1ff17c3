"""The house rules that a script can check. ``python -m scripts.tidy`` prints each offender as
``path:line: what: what to do`` and fails if there is one.

A rule is a generator from a file to its offences, in one of the tables at the end; each has a test with a planted
fault. The files are those that git holds or would take, so what is ignored may be as it likes.
"""

from __future__ import annotations

import ast
import io
import re
import statistics
import subprocess
import sys
import tokenize
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]

FUNCTION_LINES_MAX = 60
FILE_LINES_MAX = 400
SQL_FILE_LINES_MAX = 200
MEDIAN_FILE_LINES_MAX = 150

Function = ast.FunctionDef | ast.AsyncFunctionDef


class Offence(NamedTuple):
    """One place that breaks a rule."""

    path: str
    line: int
    what: str
    do: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.what}: {self.do}"


class Source(NamedTuple):
    """One Python file, parsed once for all rules."""

    path: str
    text: str
    tree: ast.Module

    def functions(self) -> Iterator[Function]:
        """Every function and method, nested ones too."""
        return (node for node in ast.walk(self.tree) if isinstance(node, Function))

    def comments(self) -> Iterator[tuple[int, str]]:
        """Every comment with its line."""
        for token in tokenize.generate_tokens(io.StringIO(self.text).readline):
            if token.type == tokenize.COMMENT:
                yield token.start[0], token.string


# ---------------------------------------------------------------------------------------------------------- budgets


def file_length(path: str, text: str) -> Iterator[Offence]:
    """A file can be read in one go. The face of the library is no exception."""
    limit = {".sql": SQL_FILE_LINES_MAX, ".py": FILE_LINES_MAX}.get(Path(path).suffix)
    lines = len(text.splitlines())
    if limit and lines > limit:
        yield Offence(path, limit + 1, f"the file has {lines} lines, the limit is {limit}", "split it by concern")


def median_file_length(files: dict[str, str]) -> Iterator[Offence]:
    """Half of the package's modules are short. Empty ones do not count."""
    lengths = [len(text.splitlines()) for path, text in files.items() if is_package_code(path) and text.strip()]
    if lengths and (median := statistics.median(lengths)) > MEDIAN_FILE_LINES_MAX:
        what = f"the median module has {median:g} lines, the limit is {MEDIAN_FILE_LINES_MAX}"
        yield Offence("src/latchwork", 1, what, "split the long ones by concern")


def function_length(source: Source) -> Iterator[Offence]:
    """A function fits on one screen."""
    for function in source.functions():
        lines = (function.end_lineno or function.lineno) - function.lineno + 1
        if lines > FUNCTION_LINES_MAX:
            what = f"{function.name} has {lines} lines, the limit is {FUNCTION_LINES_MAX}"
            yield Offence(source.path, function.lineno, what, "take steps out of it and give each a name")


def annotated(source: Source) -> Iterator[Offence]:
    """Every argument and every return value has a type."""
    methods = {
        child
        for node in ast.walk(source.tree)
        if isinstance(node, ast.ClassDef)
        for child in node.body
        if isinstance(child, Function) and "staticmethod" not in map(ast.unparse, child.decorator_list)
    }
    for function in source.functions():
        given = function.args
        arguments = [*given.posonlyargs, *given.args][1 if function in methods else 0 :]  # not self, not cls
        arguments += [*given.kwonlyargs, *filter(None, (given.vararg, given.kwarg))]
        missing = [argument.arg for argument in arguments if argument.annotation is None]
        missing += [] if function.returns else ["its return value"]
        if missing:
            what = f"{function.name} has no annotation for {', '.join(missing)}"
            yield Offence(source.path, function.lineno, what, "write the types")


# -------------------------------------------------------------------------------------------------------------- SQL

EXECUTES = {"execute", "executemany", "copy", "stream"}

# What only SQL puts together, in any case; and what opens a statement when it is written in capitals.
SQL = re.compile(
    r"""
    (?i: \b select \b .+ \b from \s+ (?!(?:the|an?|this|all)\b) [\w."{(]
      | ^ \s* select \s+ (?: \d | [\w.]+ \( | [*$%{] )
      | \b insert \s+ into \s  |  \b delete \s+ from \s  |  \b update \s+ \S+ \s+ set \s
      | \b (?: create | alter | drop ) \s+ (?: or \s+ replace \s+ )? (?: unique \s+ | unlogged \s+ | temp \w* \s+ )?
           (?: table | index | schema | function | view | role | database | type | extension | trigger ) \s
      | \b set \s+ (?: local | session ) \s  |  \b for \s+ update \s+ skip \b  |  \b lock \s+ table \s )
    | ^ \s* (?: SELECT | WITH | UPDATE | SET | LISTEN | UNLISTEN | NOTIFY | GRANT | REVOKE | EXPLAIN | ANALYZE | VACUUM
           | COPY | SHOW | TRUNCATE | CALL | RESET | DISCARD ) \s+ \S
    | ^ \s* (?: BEGIN | COMMIT | ROLLBACK | SAVEPOINT .* ) ;? \s* $
    """,
    re.VERBOSE | re.DOTALL,
)


def sql_in_strings(source: Source) -> Iterator[Offence]:
    """SQL stands in .sql files, where it can be read, checked and planned for. Docstrings may speak of it."""
    nodes = list(ast.walk(source.tree))
    skipped = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
    skipped |= {id(part) for node in nodes if isinstance(node, ast.JoinedStr) for part in node.values}
    for node in nodes:
        if id(node) not in skipped and (found := SQL.search(text_of(node))):
            what = f"SQL in a Python string ({' '.join(found.group().split()):.40})"
            yield Offence(source.path, getattr(node, "lineno", 1), what, "put it into a .sql file")


def text_of(node: ast.AST) -> str:
    """The text of a string or f-string, with ``{}`` for what is filled in; empty for anything else."""
    if isinstance(node, ast.JoinedStr):
        return "".join(text_of(part) if isinstance(part, ast.Constant) else "{}" for part in node.values)
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def built_statements(source: Source) -> Iterator[Offence]:
    """An executed statement is constant; values travel as parameters, names through psycopg's Identifier."""
    for scope in (source.tree, *source.functions()):
        nodes = list(own_nodes(scope))
        assigned = {
            target.id: node.value
            for node in nodes
            if isinstance(node, ast.Assign)
            for target in node.targets
            if isinstance(target, ast.Name)
        }
        for node in nodes:
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr in EXECUTES
                and node.args
                and is_built(node.args[0], assigned)
            ):
                what = f"{node.func.attr}() gets a statement put together by an f-string, %, + or format"
                yield Offence(source.path, node.lineno, what, "pass values as parameters; keep the text constant")


def own_nodes(scope: ast.AST) -> Iterator[ast.AST]:
    """What stands in the scope itself and not in a function inside it."""
    for child in ast.iter_child_nodes(scope):
        if not isinstance(child, Function):
            yield child
            yield from own_nodes(child)


def is_built(node: ast.expr, assigned: dict[str, ast.expr]) -> bool:
    """Whether the expression puts a text together. psycopg's ``SQL(...).format(...)`` quotes its names, and is none."""
    if isinstance(node, ast.Name) and node.id in assigned:
        return is_built(assigned[node.id], {})
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "format":
        receiver = node.func.value
        maker = assigned.get(receiver.id) if isinstance(receiver, ast.Name) else receiver
        return not (isinstance(maker, ast.Call) and ast.unparse(maker.func).split(".")[-1] == "SQL")
    if isinstance(node, ast.JoinedStr):
        return any(isinstance(part, ast.FormattedValue) for part in node.values)
    return isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Mod)


# ------------------------------------------------------------------------------------------------ reasons and sleeps

IGNORE = re.compile(r"#\s*(?:(?:ruff:\s*)?noqa\b(?::(?:[\s,]*\b[A-Z]+[0-9]+\b)+)?|type:\s*ignore(?:\[[^]]*\])?)")
SLEEPS = {"sleep", "time.sleep", "asyncio.sleep", "anyio.sleep", "trio.sleep"}


def ignores_with_reason(source: Source) -> Iterator[Offence]:
    """A rule is switched off for a reason, and the reason stands there."""
    for line, comment in source.comments():
        if (found := IGNORE.match(comment)) and len(re.findall(r"\w+", IGNORE.sub("", comment))) < 2:
            yield Offence(source.path, line, f"{found.group()!r} without a reason", "say why in a few words after it")


def bare_sleeps(source: Source) -> Iterator[Offence]:
    """A test waits for an event or a condition, never for time. ``sleep(0)`` only gives way, and is none."""
    excused = {line for line, comment in source.comments() if re.match(r"#\s*sleeps:\s*\S+", comment)}
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Call) and (name := ast.unparse(node.func)) in SLEEPS:
            bare = not (node.args and isinstance(node.args[0], ast.Constant) and node.args[0].value == 0)
        else:
            name = "pg_sleep"
            bare = isinstance(node, ast.Constant) and isinstance(node.value, str) and f"{name}(" in node.value
        if bare and isinstance(node, ast.expr) and excused.isdisjoint(range(node.lineno, (node.end_lineno or 0) + 1)):
            do = "wait with eventually(); if what is tested must take time, end the line with `# sleeps: why`"
            yield Offence(source.path, node.lineno, f"{name}() in a test", do)


# -------------------------------------------------------------------------------------------------------- addresses

PINS = re.compile(
    r"(?:^|/)(?:(?:constraints|requirements)[^/]*\.txt|[^/]*lock[^/]*\.(?:json|toml|ya?ml)|[^/]*\.lock|\.npmrc|pip\.conf)$"
)
ANY_ADDRESS = re.compile(r"://|--?(?:extra-)?index-url|--?find-links|^\s*-[if]\s", re.MULTILINE)
REGISTRY_ADDRESS = re.compile(r"://[^/\s\"'`]*(?:registry|pypi|npm|pythonhosted|mirror)[^\s\"'`]*\.[a-z]{2}")


def registry_addresses(path: str, text: str) -> Iterator[Offence]:
    """Where packages come from is the business of the machine that installs them."""
    for found in (ANY_ADDRESS if PINS.search(path) else REGISTRY_ADDRESS).finditer(text):
        line = text.count("\n", 0, found.start()) + 1
        yield Offence(path, line, f"an address of a package registry ({found.group().strip()})", "remove it")


# ------------------------------------------------------------------------------------------------------------ tables


def is_package_code(path: str) -> bool:
    """Whether the path is a module of the package."""
    return path.startswith("src/") and path.endswith(".py")


def is_test(path: str) -> bool:
    """Whether the path is a test or helps one. What runs in the apps under test is work, and may take time."""
    return path.startswith("tests/") and path.endswith(".py") and not path.startswith("tests/support/apps/")


def is_python(path: str) -> bool:
    """Whether the path is Python code."""
    return path.endswith(".py")


SOURCE_RULES: list[tuple[Callable[[Source], Iterator[Offence]], Callable[[str], bool]]] = [
    (function_length, is_python),
    (annotated, is_python),
    (ignores_with_reason, is_python),
    (sql_in_strings, is_package_code),
    (built_statements, is_package_code),
    (bare_sleeps, is_test),
]
TEXT_RULES: list[Callable[[str, str], Iterator[Offence]]] = [file_length, registry_addresses]


def offences(files: dict[str, str]) -> list[Offence]:
    """Return what breaks a rule in the given files, path -> text, by path and line."""
    found = [offence for path, text in files.items() for rule in TEXT_RULES for offence in rule(path, text)]
    for path, text in files.items():
        if is_python(path):
            source = Source(path, text, ast.parse(text, path))
            found += [offence for rule, applies in SOURCE_RULES if applies(path) for offence in rule(source)]
    return sorted([*found, *median_file_length(files)])


def project_files(root: Path) -> dict[str, str]:
    """Return the text files that git holds or would take, path -> text."""
    command = ["git", "-c", f"safe.directory={root}", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=root, capture_output=True, check=True).stdout.decode()
    files = {}
    for path in filter(None, listed.split("\0")):
        try:
            files[path] = (root / path).read_text(encoding="utf-8")
        except (UnicodeDecodeError, FileNotFoundError, IsADirectoryError):
            continue  # a picture; deleted but not yet committed; a submodule
    return files


def main() -> int:
    """Print the offences of the project. Returns the exit code."""
    found = offences(project_files(ROOT))
    for offence in found:
        print(offence)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
