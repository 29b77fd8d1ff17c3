# Generated from async_client.py by scripts/gen_sync.py: edit that file, then `make sync`.
"""The client: what an app can ask of the database, on its own pool. One class; its sync twin is generated.

The pool opens at the first call. A first connection of its own checks the DSN and the schema's version, so that a wrong
setting is one clear error and not a pool that keeps trying, and finds out whether a pooler stands between (the server's
process id is not the one the connection was told): then nothing is prepared and nothing listens.

Inside a task's process there is no pool: the same calls go over the pipe to the node (``executor/context.py``).
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Sequence
from functools import partial
from typing import Any

from psycopg import Connection
from psycopg_pool import ConnectionPool

from latchwork.core.ids import RANDOM_BYTES, uuid7
from latchwork.core.task import NewTask, Task, placed
from latchwork.db.dsn import open_dsn
from latchwork.db.records import AppRow, LockRow
from latchwork.db.store import Store, is_pooled, lend, one_connection
from latchwork.errors import TaskNotFound, WaitTimeout
from latchwork.waiter import Waiter

POOL_TIMEOUT_S = 30.0
PREPARE_AFTER = 2  # uses of a statement before the server keeps its plan


class Client:
    """A pool on one database, and the calls of an app. ``listen`` asks for hints where no pooler stands between."""

    def __init__(self, dsn: str, schema: str, *, pool_max: int = 4, listen: bool = True) -> None:
        self._given_dsn = dsn
        self._schema = schema
        self._pool_max = pool_max
        self._listen = listen
        self._opening = threading.Lock()
        self._pool: ConnectionPool[Connection[Any]] | None = None
        self._store: Store | None = None
        self._waiter: Waiter | None = None
        self.id = uuid7(time.time_ns() // 1_000_000, os.urandom(RANDOM_BYTES))

    def store(self) -> Store:
        """Return the store, opening the pool first if need be."""
        if self._store is None:
            with self._opening:
                if self._store is None:
                    self._open()
        assert self._store is not None
        return self._store

    def _open(self) -> None:
        dsn = open_dsn(self._given_dsn)
        with one_connection(dsn) as conn:
            pooled = is_pooled(conn, self._schema)
            Store(partial(lend, conn), dsn, self._schema).check_schema()
        self._pool = ConnectionPool(
            dsn,
            min_size=1,
            max_size=self._pool_max,
            open=False,
            timeout=POOL_TIMEOUT_S,
            kwargs={"autocommit": True, "prepare_threshold": None if pooled else PREPARE_AFTER},
        )
        self._pool.open()
        store = Store(self._pool.connection, dsn, self._schema, repair=self._pool.check)
        self._waiter = Waiter(store, self.id, dsn if self._listen and not pooled else None)
        self._store = store

    def dispatch(
        self, tasks: Sequence[NewTask], *, again: bool = False, conn: Connection[Any] | None = None
    ) -> list[Task]:
        """Store the tasks and return them with their places."""
        stored = {row.id: row for row in (self.store()).dispatch(tasks, again=again, conn=conn)}
        return [
            placed(task, stored[task.id].ticket, stored[task.id].ready, stored[task.id].created_at) for task in tasks
        ]

    def get(self, task_id: str) -> Task:
        """Return the task as it is now. Raises TaskNotFound."""
        task = (self.store()).get(task_id)
        if task is None:
            raise _not_found(task_id)
        return task

    def wait(self, ids: Sequence[str], timeout_s: float | None) -> list[Task]:
        """Return the tasks once all are final. Raises WaitTimeout, TaskNotFound."""
        store = self.store()
        found = store.get_many(ids)
        if missing := [task_id for task_id in ids if task_id not in found]:
            raise _not_found(missing[0])
        left = [task_id for task_id in ids if not found[task_id].final]
        if left and not self._wait_for(left, timeout_s):
            final = set(store.final_ids(left))
            if late := [task_id for task_id in left if task_id not in final]:
                raise WaitTimeout(
                    f"{len(late)} of {len(ids)} tasks were not final after {timeout_s} s, the first is {late[0]}; "
                    "they go on, wait again or cancel them"
                )
        found |= store.get_many(left)
        return [found[task_id] for task_id in ids]

    def _wait_for(self, ids: Sequence[str], timeout_s: float | None) -> bool:
        assert self._waiter is not None
        return self._waiter.wait(ids, timeout_s)

    def cancel(self, task_id: str, reason: str | None = None) -> Task:
        """Cancel the task and return it as it is then. Raises TaskNotFound."""
        if (self.store()).cancel(task_id, reason) is None:
            raise _not_found(task_id)
        return self.get(task_id)

    def tasks(self, **filters: Any) -> list[Task]:
        """Return tasks, newest first. For the filters see the store."""
        return (self.store()).tasks(**filters)

    def counts(self) -> dict[str, int]:
        """Return how many tasks stand in each state; waiting ones as ``blocked`` and ``ready``."""
        return (self.store()).counts()

    def locks(self, resource: str | None = None, limit: int = 1_000) -> list[LockRow]:
        """Return the lines by resource and place."""
        return (self.store()).locks(resource, limit)

    def apps(self) -> list[AppRow]:
        """Return the processes with a record."""
        return (self.store()).apps()

    def close(self) -> None:
        """Close the pool. The next call opens it again."""
        waiter, self._waiter, self._store = self._waiter, None, None
        if waiter is not None:
            waiter.close()
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.close()


def _not_found(task_id: str) -> TaskNotFound:
    return TaskNotFound(f"no task has the id {task_id!r}, neither waiting nor in the history")
