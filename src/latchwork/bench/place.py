"""Where a scenario runs: a schema of its own, on a built-in server or on one that is named. Gone afterwards."""

from __future__ import annotations

import os
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import Any, LiteralString, NamedTuple

from psycopg import Connection
from psycopg.sql import SQL, Identifier

from latchwork.db import sql_files
from latchwork.db.embedded import Embedded
from latchwork.db.errors import translated
from latchwork.db.migrate import migrate
from latchwork.db.store import Store, lend

Rows = list[tuple[Any, ...]]


class Place(NamedTuple):
    """A migrated schema that only this run uses."""

    dsn: str
    schema: str

    def environ(self) -> dict[str, str]:
        """Return the environment of a process whose app works here."""
        return {**os.environ, "LATCHWORK_DSN": self.dsn, "LATCHWORK_SCHEMA": self.schema}

    @contextmanager
    def connect(self, *, synchronous: bool = True) -> Iterator[Connection[Any]]:
        """Open an autocommit connection for a while. ``synchronous=False``: its commits do not wait for the disk."""
        options = None if synchronous else "-c synchronous_commit=off"
        with translated(self.dsn):
            conn = Connection.connect(self.dsn, autocommit=True, connect_timeout=10, options=options)
        with conn:
            yield conn

    def store(self, conn: Connection[Any]) -> Store:
        """Return a store that makes all its calls on ``conn``."""
        return Store(partial(lend, conn), self.dsn, self.schema)

    def run(self, conn: Connection[Any], name: str, values: Mapping[str, Any] | None = None) -> Rows:
        """Execute the bench's own statement ``sql/<name>.sql``; return its rows."""
        cursor = conn.execute(statement(name, self.schema), values)
        return cursor.fetchall() if cursor.description else []


def statement(name: str, schema: str) -> LiteralString:
    """Return the bench's own statement ``sql/<name>.sql`` for a schema."""
    return sql_files.with_schema(files("latchwork.bench").joinpath("sql", f"{name}.sql").read_text("utf-8"), schema)


@contextmanager
def server(dsn: str | None) -> Iterator[str]:
    """The DSN of the server to measure: ``dsn``, or a built-in one in a temporary folder, with fsync on as always."""
    if dsn is not None:
        yield dsn
        return
    with (
        tempfile.TemporaryDirectory(prefix="latchwork-bench-") as folder,
        Embedded.start(Path(folder, "server"), temporary=True, grace_s=0) as embedded,
    ):
        yield embedded.dsn


@contextmanager
def place(dsn: str) -> Iterator[Place]:
    """A new migrated schema in the database at ``dsn``, dropped at the end."""
    new = Place(dsn, f"latchwork_bench_{uuid.uuid4().hex[:12]}")
    migrate(dsn, new.schema)
    try:
        yield new
    finally:
        with new.connect() as conn:
            conn.execute(SQL(statement("drop_schema", new.schema)).format(Identifier(new.schema)))
