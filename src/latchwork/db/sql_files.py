"""The SQL of the project: files only, loaded once, with the schema's name put in.

The files say ``latchwork`` for the schema and are valid SQL as they stand. A schema of another name is put in by
replacing that word, quoted as an identifier. Nothing else is ever substituted; values are parameters.
"""

from __future__ import annotations

import re
from functools import lru_cache
from importlib.resources import files
from typing import LiteralString

from latchwork.errors import ConfigError

SCHEMA_DEFAULT = "latchwork"
_WORD = re.compile(r"\blatchwork\b(?=\.)|(?<=SCHEMA IF NOT EXISTS )\blatchwork\b")
_NAME = re.compile(r"[a-z_][a-z0-9_]{0,62}\Z")


def check_schema(schema: str) -> str:
    """Return ``schema`` if it can name our schema. Raises ConfigError: lower case, digits and _ only, no ``pg_``."""
    if not _NAME.match(schema) or schema.startswith("pg_"):
        raise ConfigError(
            f"schema {schema!r:.80} is not usable: lower-case letters, digits and _, at most 63, not starting with pg_"
        )
    return schema


def with_schema(text: str, schema: str) -> LiteralString:
    """Return the SQL ``text`` with the schema's name in it."""
    quoted = f'"{check_schema(schema)}"'
    return _WORD.sub(lambda _: quoted, text)


def _directory(folder: str) -> list[tuple[str, str]]:
    found = [entry for entry in files("latchwork.db").joinpath(folder).iterdir() if entry.name.endswith(".sql")]
    return sorted((entry.name, entry.read_text("utf-8")) for entry in found)


@lru_cache(maxsize=512)
def query(name: str, schema: str) -> LiteralString:
    """Return the statement of ``sql/queries/<name>.sql`` for a schema."""
    return with_schema(files("latchwork.db").joinpath("sql", "queries", f"{name}.sql").read_text("utf-8"), schema)


def tables() -> str:
    """Return the newest tables, as a fresh schema gets them."""
    return files("latchwork.db").joinpath("sql", "tables.sql").read_text("utf-8")


def code() -> list[tuple[str, str]]:
    """Return what every migration makes anew, in order: functions, views, triggers."""
    sql = files("latchwork.db").joinpath("sql")
    rest = [(name, sql.joinpath(name).read_text("utf-8")) for name in ("views.sql", "triggers.sql")]
    return _directory("sql/functions") + rest


def migrations() -> list[tuple[int, str, str]]:
    """Return (version, name, SQL) of each numbered step, in order."""
    return [(int(name[:4]), name.removesuffix(".sql"), text) for name, text in _directory("migrations")]
