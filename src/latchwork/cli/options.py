"""The options that many commands share, and the app that they make."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from latchwork.app import App
from latchwork.db.sql_files import SCHEMA_DEFAULT, check_schema
from latchwork.errors import ConfigError

Dsn = Annotated[
    str | None,
    typer.Option(
        "--dsn", envvar="LATCHWORK_DSN", metavar="DSN", help="The database: PostgreSQL's URL, or embedded:FOLDER."
    ),
]
Schema = Annotated[
    str, typer.Option("--schema", envvar="LATCHWORK_SCHEMA", metavar="NAME", help="The schema that holds the tables.")
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
Limit = Annotated[int, typer.Option("--limit", min=1, max=100_000, metavar="N", help="At most so many rows.")]
Slots = Annotated[int, typer.Option("--slots", min=1, max=1_000, metavar="N", help="How many tasks run at once.")]
GraceS = Annotated[
    float, typer.Option("--grace-s", min=0, max=86_400, metavar="SECONDS", help="What running tasks have after Ctrl-C.")
]

SCHEMA = SCHEMA_DEFAULT


def need_dsn(dsn: str | None) -> str:
    """Return the DSN. Raises ConfigError if there is none."""
    if not dsn:
        raise ConfigError(
            "no database: pass --dsn, or set LATCHWORK_DSN; `latchwork dev` starts one and prints its DSN"
        )
    return dsn


@contextmanager
def open_app(dsn: str | None, schema: str) -> Iterator[App]:
    """Lend an app without tasks on the database, for looking at it."""
    with App(need_dsn(dsn), schema=check_schema(schema), pool_max=1, listen=False) as app:
        yield app
