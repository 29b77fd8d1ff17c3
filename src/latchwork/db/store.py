# Generated from async_store.py by scripts/gen_sync.py: edit that file, then `make sync`.
"""The store: every statement the client library and the node send, one method each. The only speaker of SQL.

A store works on a pool (a client's) or on one connection (a node's); it takes a *source* that hands out a connection.
Statements are single function calls in autocommit: one round trip, one commit, nothing pinned in a pooler.

Failures: the driver's errors become ours (``db/errors.py``). On a pool, a call whose connection broke is made once
more; a dispatch goes under the same ids and says that it is a repetition, so an unknown outcome makes no second task.
A deadlock or a serialization failure (the engine's own lock order allows none) is retried and counted in ``retries``.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import psycopg
from psycopg import Connection

from latchwork.core.task import Advance, Claimed, Finish, NewTask, Task
from latchwork.db import sql_files
from latchwork.db.errors import is_lost, translate
from latchwork.db.migrate import latest
from latchwork.db.records import AppRow, LockRow, Stored, app_row, lock_row, task_from_row, tasks_json
from latchwork.errors import SchemaMismatch

Source = Callable[[], AbstractContextManager[Connection[Any]]]
Repair = Callable[[], None]

TASKS_PER_CALL_MAX = 1_000
RETRIES_MAX = 5
BUSY_S = 0.005
_RETRIED = ("40P01", "40001")


class Store:
    """All statements on one schema, over connections from ``source``."""

    def __init__(
        self, source: Source, dsn: str, schema: str = sql_files.SCHEMA_DEFAULT, repair: Repair | None = None
    ) -> None:
        """``repair`` replaces the broken connections of the source; with it a call that lost its own is made again."""
        self.dsn = dsn
        self.schema = sql_files.check_schema(schema)
        self.retries = 0
        self._source = source
        self._repair = repair

    def check_schema(self) -> None:
        """Raise SchemaMismatch unless the schema is at exactly the version of this code."""
        found = (self._rows("schema_version", {}))[0][0]
        if found != latest():
            todo = "run `latchwork migrate`" if (found or 0) < latest() else "update Latchwork"
            raise SchemaMismatch(f"schema {self.schema!r} is at version {found}, this code needs {latest()}: {todo}")

    def dispatch(
        self, tasks: Sequence[NewTask], *, again: bool = False, conn: Connection[Any] | None = None
    ) -> list[Stored]:
        """Store tasks and take their places in line, 1,000 a call. On ``conn`` they are part of its transaction.

        Raises IdConflict for an id that exists (unless ``again``), IsolationError on a ``conn`` above READ COMMITTED.
        """
        stored: list[Stored] = []
        for start in range(0, len(tasks), TASKS_PER_CALL_MAX):
            stored += self._dispatch_batch(tasks[start : start + TASKS_PER_CALL_MAX], again, conn)
        return stored

    def _dispatch_batch(self, tasks: Sequence[NewTask], again: bool, conn: Connection[Any] | None) -> list[Stored]:
        values = {"tasks": tasks_json(tasks), "again": again, "hint": "look" if conn is None else "tell"}
        if conn is not None:
            return [Stored(*row) for row in self._execute(conn, "dispatch", values)]
        rows = self._rows("dispatch", values, {**values, "again": True})
        return [Stored(*row) for row in rows]

    def advance(
        self,
        node: str,
        names: Sequence[str],
        finished: Sequence[Finish],
        want: int,
        *,
        sleep: bool = False,
        notify: bool = True,
    ) -> Advance:
        """Retire ``finished``, release, grant, and claim up to ``want`` ready tasks of ``names`` for ``node``."""
        values = {
            "node": node,
            "names": list(names),
            "finished": _finished_json(finished) if finished else None,
            "want": want,
            "sleep": sleep,
            "notify": notify,
        }
        claimed, refused, canceling, settle_ms, more, _wake = (self._rows("advance", values))[0]
        return Advance(
            claimed=_claimed(claimed) if claimed else (),
            refused=tuple(refused or ()),
            canceling=tuple(canceling or ()),
            settle_ms=settle_ms,
            more=more,
        )

    def settle(self, node: str, *, notify: bool = True) -> int | None:
        """Look again at lines that wait for a stranger's transaction. Returns the milliseconds until the next look."""
        due: int | None = (self._rows("settle", {"node": node, "notify": notify}))[0][0]
        return due

    def cancel(self, task_id: str, reason: str | None = None) -> str | None:
        """Cancel a task; return its state afterwards (``canceling`` while it runs), or None if there is none."""
        while True:
            state: str | None = (self._rows("cancel", {"id": task_id, "reason": reason}))[0][0]
            if state != "busy":
                return state
            time.sleep(BUSY_S)  # a claim or a finish holds the row until its own commit

    def get(self, task_id: str) -> Task | None:
        """Return the task, waiting or final, or None."""
        return (self.get_many([task_id])).get(task_id)

    def get_many(self, ids: Sequence[str]) -> dict[str, Task]:
        """Return those of the tasks that exist, by id."""
        found = [task_from_row(row) for row in self._rows("get_tasks", {"ids": list(ids)})]
        return {task.id: task for task in found}

    def tasks(
        self,
        *,
        state: Sequence[str] | None = None,
        name: str | None = None,
        resource: str | None = None,
        before: str | None = None,
        limit: int = 100,
    ) -> list[Task]:
        """Return tasks, newest first. ``before`` is the last id of the page before."""
        values = {
            "state": list(state) if state else None,
            "name": name,
            "resource": resource,
            "before": before,
            "limit": limit,
        }
        return [task_from_row(row) for row in self._rows("list_tasks", values)]

    def counts(self) -> dict[str, int]:
        """Return how many tasks stand in each state; waiting ones as ``blocked`` and ``ready``."""
        return dict(self._rows("count_tasks", {}))

    def final_ids(self, ids: Sequence[str]) -> list[str]:
        """Return which of ``ids`` are final."""
        return [row[0] for row in self._rows("final_ids", {"ids": list(ids)})]

    def locks(self, resource: str | None = None, limit: int = 1_000) -> list[LockRow]:
        """Return the lines by resource and place."""
        return [lock_row(row) for row in self._rows("list_locks", {"resource": resource, "limit": limit})]

    def apps(self) -> list[AppRow]:
        """Return the processes with a record, the oldest first."""
        return [app_row(row) for row in self._rows("list_apps", {})]

    def join(self, record: dict[str, Any]) -> None:
        """Make the record of a node: id, name, host, pid, slots, version, tasks."""
        self._run_translated("join_node", record)

    def ensure_history(self) -> None:
        """Make the history's partitions of the coming days, where they are missing."""
        self._run_translated("ensure_history", {})

    def beat(self, app_id: str, state: str, running: int) -> None:
        """Write the heartbeat of a process."""
        self._run_translated("beat", {"id": app_id, "state": state, "running": running})

    def leave(self, app_id: str) -> None:
        """Delete the record of a process that stops."""
        self._run_translated("leave", {"id": app_id})

    def watch(self, app_id: str, ids: Sequence[str]) -> None:
        """Ask for a hint to ``app_id`` when these tasks end."""
        self._run_translated("watch", {"app": app_id, "ids": list(ids)})

    def unwatch(self, app_id: str, ids: Sequence[str]) -> None:
        """Take the wish for hints back."""
        self._run_translated("unwatch", {"app": app_id, "ids": list(ids)})

    def _rows(self, name: str, values: dict[str, Any], again: dict[str, Any] | None = None) -> list[tuple[Any, ...]]:
        """Run a statement; if its connection broke, and the outcome is unknown, once more with the values ``again``."""
        try:
            try:
                return self._run(name, values)
            except psycopg.Error as error:
                if self._repair is None or not is_lost(error):
                    raise
                self._repair()
            return self._run(name, again or values)
        except psycopg.Error as error:
            raise translate(error, self.dsn) from error

    def _run_translated(self, name: str, values: dict[str, Any]) -> None:
        self._rows(name, values)

    def _run(self, name: str, values: dict[str, Any]) -> list[tuple[Any, ...]]:
        for left in range(RETRIES_MAX, -1, -1):
            try:
                with self._source() as conn:
                    return self._fetch(conn, name, values)
            except psycopg.Error as error:
                if error.sqlstate not in _RETRIED or not left:
                    raise
                self.retries += 1
        raise AssertionError("unreachable: the last try returns or raises")

    def _execute(self, conn: Connection[Any], name: str, values: dict[str, Any]) -> list[tuple[Any, ...]]:
        try:
            return self._fetch(conn, name, values)
        except psycopg.Error as error:
            raise translate(error, self.dsn) from error

    def _fetch(self, conn: Connection[Any], name: str, values: dict[str, Any]) -> list[tuple[Any, ...]]:
        cursor = conn.execute(sql_files.query(name, self.schema), values)
        return cursor.fetchall() if cursor.description else []


@contextmanager
def one_connection(dsn: str) -> Iterator[Connection[Any]]:
    """Open one autocommit connection for a while. Raises ours, not the driver's, if it can't be had."""
    try:
        conn = Connection.connect(dsn, autocommit=True, connect_timeout=10)
    except psycopg.Error as error:
        raise translate(error, dsn) from error
    with conn:
        yield conn


@contextmanager
def lend(conn: Connection[Any]) -> Iterator[Connection[Any]]:
    """A source of connections that always hands out ``conn`` and leaves it open."""
    yield conn


def is_pooled(conn: Connection[Any], schema: str) -> bool:
    """Return whether a pooler stands between: the server's process is not the one the connection was told."""
    cursor = conn.execute(sql_files.query("backend_pid", schema))
    row = cursor.fetchone()
    return row is None or row[0] != conn.info.backend_pid


def _claimed(text: str) -> tuple[Claimed, ...]:
    return tuple(map(Claimed._make, json.loads(text)))


def _finished_json(finished: Sequence[Finish]) -> str:
    return "[" + ",".join(_outcome_json(outcome) for outcome in finished) + "]"


def _outcome_json(outcome: Finish) -> str:
    # The ids and the token came from the database, the state from us: only the output needs escaping.
    output = "null" if outcome.output is None else json.dumps(outcome.output)
    return (
        f'{{"id":"{outcome.id}","token":"{outcome.token}","state":"{outcome.state}","output":{output},'
        f'"result":{outcome.result or "null"},"error":{outcome.error or "null"}}}'
    )
