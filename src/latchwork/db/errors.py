"""From what the driver raises to what we raise: the one place where SQLSTATEs and connection faults get their class."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg import conninfo

from latchwork.errors import (
    SQLSTATES,
    ConfigError,
    DatabaseError,
    DatabaseUnavailable,
    IdConflict,
    InputError,
    LatchworkError,
    SchemaMismatch,
)

_SCHEMA_MISSING = (
    psycopg.errors.UndefinedTable,
    psycopg.errors.UndefinedFunction,
    psycopg.errors.InvalidSchemaName,
    psycopg.errors.UndefinedColumn,
)
# The primary key of tasks, and none: dispatch itself raises for a final id. Any other is no user's mistake.
_IDS = (None, "task_pkey")


def redacted(dsn: str) -> str:
    """Return the DSN without its password, for messages."""
    try:
        parts = conninfo.conninfo_to_dict(dsn)
    except psycopg.ProgrammingError:
        return "(not a DSN)"
    parts.pop("password", None)
    return conninfo.make_conninfo("", **parts)


def is_lost(error: psycopg.Error) -> bool:
    """Return whether the connection broke, or could not be had, so that the outcome may be unknown."""
    return isinstance(error, (psycopg.OperationalError, psycopg.InterfaceError)) and (
        error.sqlstate is None or error.sqlstate[:2] in ("08", "57", "53")
    )


def translate(error: psycopg.Error, dsn: str) -> LatchworkError:
    """Return the error of ours that stands for ``error``."""
    first = str(error).strip().split("\n", 1)[0]
    hint = getattr(error.diag, "message_hint", None)
    ours = SQLSTATES.get(error.sqlstate or "")
    if ours is not None:
        return ours(f"{first}. {hint}" if hint else first)
    if isinstance(error, _SCHEMA_MISSING):
        return SchemaMismatch(
            f"the database has no such schema yet, or an older one ({first}): run `latchwork migrate`"
        )
    if isinstance(error, psycopg.errors.UniqueViolation) and error.diag.constraint_name in _IDS:
        return IdConflict(f"{first}; {error.diag.message_detail or ''}")
    if isinstance(error, psycopg.ProgrammingError) and error.sqlstate is None:
        return ConfigError(f"the DSN cannot be read: {first}")
    if is_lost(error):
        return DatabaseUnavailable(
            f"the database at {redacted(dsn)!r} cannot be reached: {' '.join(str(error).split())}"
        )
    if isinstance(error, psycopg.DataError | psycopg.errors.CheckViolation | psycopg.errors.NotNullViolation):
        return InputError(first)
    return DatabaseError(f"{type(error).__name__}: {first}")


@contextmanager
def translated(dsn: str) -> Iterator[None]:
    """Turn the driver's errors into ours. Ours pass through."""
    try:
        yield
    except psycopg.Error as error:
        raise translate(error, dsn) from error
