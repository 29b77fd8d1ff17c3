"""The generator of the sync modules: what it changes, what it refuses, and that --check sees a changed byte."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.gen_sync import SyncError, out_of_date, tidied, to_sync

SOURCE = '''"""The store. Use it as ``async with AsyncStore(pool) as store: await store.read()``."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from psycopg import AsyncConnection


class AsyncStore:
    def __init__(self, connection: "AsyncConnection[object]") -> None:
        self.connection = connection
        self.lock = asyncio.Lock()

    async def __aenter__(self) -> "AsyncStore":
        return self

    @asynccontextmanager
    async def rows(self) -> AsyncIterator[list[object]]:
        async with self.lock, self.connection.cursor() as cursor:
            # the rows, one by one here
            rows = [row async for row in cursor]
            yield rows if rows else [await (await self.connection.execute(f"{await self.query()}")).fetchone()]

    # <ASYNC ONLY>
    async def gather(self) -> None:
        await asyncio.gather()

    # </ASYNC ONLY>
    async def query(self) -> str:
        async for word in self.words():
            await asyncio.sleep(1)
        return word
'''

EXPECTED = '''# Generated from async_store.py by scripts/gen_sync.py: edit that file, then `make sync`.
"""The store. Use it as ``with Store(pool) as store: store.read()``."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from psycopg import Connection


class Store:
    def __init__(self, connection: "Connection[object]") -> None:
        self.connection = connection
        self.lock = threading.Lock()

    def __enter__(self) -> "Store":
        return self

    @contextmanager
    def rows(self) -> Iterator[list[object]]:
        with self.lock, self.connection.cursor() as cursor:
            # the rows, one by one here
            rows = [row for row in cursor]
            yield rows if rows else [(self.connection.execute(f"{self.query()}")).fetchone()]

    def query(self) -> str:
        for word in self.words():
            time.sleep(1)
        return word
'''


def generate(source: str) -> str:
    return tidied(to_sync(source, "db/async_store.py"), Path("src/latchwork/db/store.py"))


def test_async_source_becomes_sync() -> None:
    assert generate(SOURCE) == EXPECTED


def test_imports_that_became_unused_go() -> None:
    assert "import" not in generate("import asyncio\n\n# <ASYNC ONLY>\nasyncio.run()\n# </ASYNC ONLY>\nX = 1\n")


def test_an_import_that_was_there_is_not_doubled() -> None:
    text = generate(
        "import asyncio\nimport time\n\nasync def f() -> float:\n    await asyncio.sleep(1)\n    return time.time()\n"
    )
    assert text.count("import time") == 1


@pytest.mark.parametrize(
    "leftover", ["AsyncThing()", "asyncio.gather()", "async_things()", "x.AsyncThing", "awaitable()"]
)
def test_a_name_without_a_twin_is_refused(leftover: str) -> None:
    with pytest.raises(SyncError, match=r"db/async_store\.py: .*give the name its twin in NAMES"):
        to_sync(f"X = 1\n{leftover}\n", "db/async_store.py")


@pytest.mark.parametrize(
    ("source", "line"),
    [
        ("# <ASYNC ONLY>\nX = 1\n", 1),
        ("X = 1\n# </ASYNC ONLY>\n", 2),
        ("# <ASYNC ONLY>\n# <ASYNC ONLY>\n# </ASYNC ONLY>\n", 2),
    ],
)
def test_a_block_that_is_not_opened_and_closed_once_is_refused(source: str, line: int) -> None:
    with pytest.raises(SyncError, match=f"a.py:{line}: "):
        to_sync(source, "a.py")


def test_source_that_is_no_python_is_refused() -> None:
    with pytest.raises(SyncError, match=r"ruff format cannot read the sync form for .*: error: Failed to parse"):
        generate("def (:\n")


def test_a_changed_byte_in_the_generated_file_is_seen(tmp_path: Path) -> None:
    modules = {"async_store.py": "store.py"}
    (tmp_path / "async_store.py").write_text(SOURCE)
    wanted = out_of_date(tmp_path, modules)
    assert list(wanted) == [tmp_path / "store.py"]

    (tmp_path / "store.py").write_text(wanted[tmp_path / "store.py"])
    assert out_of_date(tmp_path, modules) == {}

    (tmp_path / "store.py").write_text(wanted[tmp_path / "store.py"].replace("sleep(1)", "sleep(2)"))
    assert list(out_of_date(tmp_path, modules)) == [tmp_path / "store.py"]


def test_a_changed_source_is_seen(tmp_path: Path) -> None:
    modules = {"async_store.py": "store.py"}
    (tmp_path / "async_store.py").write_text(SOURCE)
    (tmp_path / "store.py").write_text(out_of_date(tmp_path, modules)[tmp_path / "store.py"])

    (tmp_path / "async_store.py").write_text(SOURCE.replace("sleep(1)", "sleep(2)"))
    assert list(out_of_date(tmp_path, modules)) == [tmp_path / "store.py"]
