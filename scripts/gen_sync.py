"""Write the sync modules from their async source, so that no line is kept twice by hand.

``python -m scripts.gen_sync`` writes the modules of :data:`MODULES`; ``--check`` writes nothing and fails if a file is
not exactly what its source gives. The words ``async`` and ``await`` go, and names change by :data:`NAMES`, in code as
in docstrings and comments; all else stays as it is. What exists in async only stands between the comment lines
``# <ASYNC ONLY>`` and ``# </ASYNC ONLY>`` and is left out. Ruff sorts the imports, drops those that became unused, and
formats, so ``make check`` agrees with the result.

A name that still says "async" afterwards is an error: give it its twin in :data:`NAMES`.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]

# async source -> sync twin
MODULES = {
    "src/latchwork/db/async_store.py": "src/latchwork/db/store.py",
    "src/latchwork/async_client.py": "src/latchwork/client.py",
    "src/latchwork/async_waiter.py": "src/latchwork/waiter.py",
}

# The one table of names.
NAMES = {
    "AbstractAsyncContextManager": "AbstractContextManager",
    "AsyncClient": "Client",
    "AsyncConnection": "Connection",
    "AsyncConnectionPool": "ConnectionPool",
    "AsyncContextManager": "ContextManager",
    "AsyncCopy": "Copy",
    "AsyncCursor": "Cursor",
    "AsyncExitStack": "ExitStack",
    "AsyncIterable": "Iterable",
    "AsyncIterator": "Iterator",
    "AsyncPipeline": "Pipeline",
    "AsyncStore": "Store",
    "AsyncTransaction": "Transaction",
    "AsyncWaiter": "Waiter",
    "StopAsyncIteration": "StopIteration",
    "__aenter__": "__enter__",
    "__aexit__": "__exit__",
    "__aiter__": "__iter__",
    "__anext__": "__next__",
    "aclosing": "closing",
    "aevent_wait": "event_wait",
    "aiter": "iter",
    "anext": "next",
    "aspawn": "spawn",
    "enter_async_context": "enter_context",
    "async_client": "client",
    "async_store": "store",
    "async_waiter": "waiter",
    "asynccontextmanager": "contextmanager",
    "asyncio.Condition": "threading.Condition",
    "asyncio.Event": "threading.Event",
    "asyncio.Lock": "threading.Lock",
    "asyncio.Semaphore": "threading.Semaphore",
    "asyncio.sleep": "time.sleep",
}
NAME = re.compile(r"\b(?:" + "|".join(map(re.escape, sorted(NAMES, key=len, reverse=True))) + r")\b")
KEYWORD = re.compile(r"\b(?:async|await)\b[ \t]+")
LEFTOVER = re.compile(r"\b(?:async\w*|await\w*|\w*Async[A-Z]\w*)\b")
OPEN, CLOSE = "# <ASYNC ONLY>", "# </ASYNC ONLY>"


class SyncError(Exception):
    """The source cannot be turned into a sync module. The message says where, and what to do."""


def to_sync(source: str, origin: str) -> str:
    """Return the sync form of ``source``, unformatted. ``origin`` is the path that the first line and errors name.

    Raises SyncError for a block that is not closed and for a name that has no twin.
    """
    text = KEYWORD.sub("", without_async_only(source, origin))
    text = NAME.sub(lambda found: NAMES[found.group()], text)
    text = re.sub(r"\bAwaitable\[(\w+)\]", r"\1", text)
    # The twins of asyncio's functions live in two modules; ruff drops the import that is not needed.
    text = re.sub(r"^import asyncio$", "import threading\nimport time", text, flags=re.MULTILINE)
    for number, line in enumerate(text.splitlines(), start=1):
        if found := LEFTOVER.search(line):
            raise SyncError(
                f"{origin}: the sync form still says {found.group()!r} (its line {number}: {line.strip()}): give the "
                f"name its twin in NAMES of scripts/gen_sync.py, or put the lines between {OPEN} and {CLOSE}"
            )
    return f"# Generated from {Path(origin).name} by scripts/gen_sync.py: edit that file, then `make sync`.\n{text}"


def without_async_only(source: str, origin: str) -> str:
    """Return ``source`` without what stands between the ASYNC ONLY marks."""
    kept: list[str] = []
    opened_at = 0
    for number, line in enumerate(source.splitlines(keepends=True), start=1):
        mark = line.strip()
        if mark in {OPEN, CLOSE}:
            if (mark == OPEN) == bool(opened_at):
                raise SyncError(f"{origin}:{number}: {mark} does not fit here: blocks do not nest and are closed once")
            opened_at = number if mark == OPEN else 0
        elif not opened_at:
            kept.append(line)
    if opened_at:
        raise SyncError(f"{origin}:{opened_at}: {OPEN} is never closed: add the line {CLOSE}")
    return "".join(kept)


def tidied(text: str, path: Path) -> str:
    """Return ``text`` as ruff leaves it when it stands at ``path``. Raises SyncError with ruff's words if it cannot."""
    ruff = [sys.executable, "-m", "ruff"]
    name = ["--stdin-filename", str(path), "-"]
    for command in (["check", "--select", "F401,F811,I001", "--fix-only", "--quiet"], ["format"]):
        done = subprocess.run(
            [*ruff, *command, *name], input=text, cwd=ROOT, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise SyncError(f"ruff {command[0]} cannot read the sync form for {path}: {done.stderr.strip()}")
        text = done.stdout
    return text


def out_of_date(root: Path, modules: dict[str, str]) -> dict[Path, str]:
    """Return what to write where: each generated file that is missing or differs, with its right content."""
    wanted = {}
    for source, target in modules.items():
        text = tidied(to_sync((root / source).read_text(encoding="utf-8"), source), root / target)
        if not (root / target).exists() or (root / target).read_text(encoding="utf-8") != text:
            wanted[root / target] = text
    return wanted


def main() -> int:
    """Write the files that are out of date, or only name them. Returns the exit code."""
    parser = argparse.ArgumentParser(description="Write the sync modules from their async source.")
    parser.add_argument("--check", action="store_true", help="write nothing; fail if a file is out of date")
    check = parser.parse_args().check
    try:
        wanted = out_of_date(ROOT, MODULES)
    except SyncError as error:
        print(f"gen_sync: {error}", file=sys.stderr)
        return 1
    for path, text in wanted.items():
        if check:
            print(f"{path.relative_to(ROOT)}:1: not what its async source gives: run `make sync`")
        else:
            path.write_text(text, encoding="utf-8")
            print(f"wrote {path.relative_to(ROOT)}")
    return 1 if check and wanted else 0


if __name__ == "__main__":
    sys.exit(main())
