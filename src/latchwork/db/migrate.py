"""Bring a schema up to date: numbered steps with checksums, then functions, views and triggers anew.

Promise: everything happens in one transaction under one advisory lock, so any number of processes may start it at
once, and a step that fails leaves the schema as it was. A fresh schema gets ``sql/tables.sql`` at once and counts all
steps as done; a test holds it equal to the sum of the steps. A step whose file has changed since it was applied, or a
schema that is newer than this code, is refused.
"""

from __future__ import annotations

from hashlib import sha256
from importlib.resources import files
from typing import NamedTuple

import psycopg

from latchwork.db import sql_files
from latchwork.db.errors import translated
from latchwork.errors import SchemaMismatch

SERVER_VERSION_MIN = 150000


class Migrated(NamedTuple):
    """What ``migrate`` did: the version before (0 for a fresh schema) and after."""

    schema: str
    before: int
    after: int


def migrate(dsn: str, schema: str = sql_files.SCHEMA_DEFAULT) -> Migrated:
    """Make the schema, or bring it up to date, and return what was done. Idempotent; safe to run concurrently.

    Raises SchemaMismatch for a schema that is newer than this code or was made by changed steps, or a server older than
    PostgreSQL 15; DatabaseUnavailable when the database can't be reached.
    """
    sql_files.check_schema(schema)
    with translated(dsn), psycopg.connect(dsn, connect_timeout=10) as conn, conn.transaction():
        _check_server(conn)
        conn.execute(sql_files.query("migration_lock", schema), {"schema": schema})
        conn.execute(_load("migration_table.sql", schema))
        before = _apply_steps(conn, schema)
        for _, text in sql_files.code():
            conn.execute(sql_files.with_schema(text, schema))
        conn.execute(sql_files.query("ensure_history", schema))
    return Migrated(schema, before, latest())


def latest() -> int:
    """Return the newest version this code knows."""
    return sql_files.migrations()[-1][0]


def script(schema: str = sql_files.SCHEMA_DEFAULT) -> str:
    """Return the SQL that makes a fresh schema, for a DBA to read and run in one transaction with ``psql -1``."""
    parts = [_load("migration_table.sql", schema), sql_files.with_schema(sql_files.tables(), schema)]
    parts += [sql_files.with_schema(text, schema) for _, text in sql_files.code()]
    parts.append(sql_files.query("ensure_history", schema) + ";\n")
    for version, name, text in sql_files.migrations():
        record = sql_files.query("migration_record", schema)
        literals = {"version": version, "name": f"'{name}'", "checksum": f"'{_checksum(text)}'"}
        parts.append(record.strip() % literals + ";\n")
    return "\n".join([_load("script_head.sql", schema), *parts])


def _apply_steps(conn: psycopg.Connection, schema: str) -> int:
    applied: dict[int, str] = dict(conn.execute(sql_files.query("migrations_applied", schema)).fetchall())
    steps = sql_files.migrations()
    _check_steps(schema, applied, steps)
    if not applied:
        conn.execute(sql_files.with_schema(sql_files.tables(), schema))
    for version, name, text in steps:
        if version in applied:
            continue
        if applied:
            conn.execute(sql_files.with_schema(text, schema))
        values = {"version": version, "name": name, "checksum": _checksum(text)}
        conn.execute(sql_files.query("migration_record", schema), values)
    return max(applied, default=0)


def _check_steps(schema: str, applied: dict[int, str], steps: list[tuple[int, str, str]]) -> None:
    known = {version: _checksum(text) for version, _, text in steps}
    newer = sorted(set(applied) - set(known))
    if newer:
        raise SchemaMismatch(
            f"schema {schema!r} is at version {newer[-1]}, this code knows up to {steps[-1][0]}: update Latchwork"
        )
    for version, checksum in applied.items():
        if known[version] != checksum:
            raise SchemaMismatch(
                f"step {version} of schema {schema!r} was applied from a file that has changed since "
                f"(checksum {checksum[:12]}… there, {known[version][:12]}… here): restore the file of that step"
            )


def _check_server(conn: psycopg.Connection) -> None:
    if conn.info.server_version < SERVER_VERSION_MIN:
        raise SchemaMismatch(f"PostgreSQL {conn.info.server_version // 10000} is too old: Latchwork needs 15 or newer")


def _checksum(text: str) -> str:
    return sha256(text.encode()).hexdigest()


def _load(name: str, schema: str) -> str:
    return sql_files.with_schema(files("latchwork.db").joinpath("sql", name).read_text("utf-8"), schema)
