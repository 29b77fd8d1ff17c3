"""The client: what an app can ask of the database, on its own pool. One class; its sync twin is generated.

The pool opens at the first call. A first connection of its own checks the DSN and the schema's version, so that a wrong
setting is one clear error and not a pool that keeps trying, and finds out whether a pooler stands between (the server's
process id is not the one the connection was told): then nothing is prepared and nothing listens.

Inside a task's process there is no pool: the same calls go over the pipe to the node (``executor/context.py``).
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Sequence
from functools import partial
from typing import Any

from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

from latchwork.async_waiter import AsyncWaiter
from latchwork.core.ids import RANDOM_BYTES, uuid7
from latchwork.core.task import NewTask, Task, placed
from latchwork.db.async_store import AsyncStore, is_pooled, lend, one_connection
from latchwork.db.dsn import open_dsn
from latchwork.db.records import AppRow, LockRow
from latchwork.errors import TaskNotFound, WaitTimeout

POOL_TIMEOUT_S = 30.0
PREPARE_AFTER = 2  # uses of a statement before the server keeps its plan


class AsyncClient:
    """A pool on one database, and the calls of an app. ``listen`` asks for hints where no pooler stands between."""

    def __init__(self, dsn: str, schema: str, *, pool_max: int = 4, listen: bool = True) -> None:
        self._given_dsn = dsn
        self._schema = schema
        self._pool_max = pool_max
        self._listen = listen
        self._opening = asyncio.Lock()
        self._pool: AsyncConnectionPool[AsyncConnection[Any]] | None = None
        self._store: AsyncStore | None = None
        self._waiter: AsyncWaiter | None = None
        self.id = uuid7(time.time_ns() // 1_000_000, os.urandom(RANDOM_BYTES))

    async def store(self) -> AsyncStore:
        """Return the store, opening the pool first if need be."""
        if self._store is None:
            async with self._opening:
                if self._store is None:
                    await self._open()
        assert self._store is not None
        return self._store

    async def _open(self) -> None:
        dsn = open_dsn(self._given_dsn)
        async with one_connection(dsn) as conn:
            pooled = await is_pooled(conn, self._schema)
            await AsyncStore(partial(lend, conn), dsn, self._schema).check_schema()
        self._pool = AsyncConnectionPool(
            dsn,
            min_size=1,
            max_size=self._pool_max,
            open=False,
            timeout=POOL_TIMEOUT_S,
            kwargs={"autocommit": True, "prepare_threshold": None if pooled else PREPARE_AFTER},
        )
        await self._pool.open()
        store = AsyncStore(self._pool.connection, dsn, self._schema, repair=self._pool.check)
        self._waiter = AsyncWaiter(store, self.id, dsn if self._listen and not pooled else None)
        self._store = store

    async def dispatch(
        self, tasks: Sequence[NewTask], *, again: bool = False, conn: AsyncConnection[Any] | None = None
    ) -> list[Task]:
        """Store the tasks and return them with their places."""
        stored = {row.id: row for row in await (await self.store()).dispatch(tasks, again=again, conn=conn)}
        return [
            placed(task, stored[task.id].ticket, stored[task.id].ready, stored[task.id].created_at) for task in tasks
        ]

    async def get(self, task_id: str) -> Task:
        """Return the task as it is now. Raises TaskNotFound."""
        task = await (await self.store()).get(task_id)
        if task is None:
            raise _not_found(task_id)
        return task

    async def wait(self, ids: Sequence[str], timeout_s: float | None) -> list[Task]:
        """Return the tasks once all are final. Raises WaitTimeout, TaskNotFound."""
        store = await self.store()
        found = await store.get_many(ids)
        if missing := [task_id for task_id in ids if task_id not in found]:
            raise _not_found(missing[0])
        left = [task_id for task_id in ids if not found[task_id].final]
        if left and not await self._wait_for(left, timeout_s):
            final = set(await store.final_ids(left))
            if late := [task_id for task_id in left if task_id not in final]:
                raise WaitTimeout(
                    f"{len(late)} of {len(ids)} tasks were not final after {timeout_s} s, the first is {late[0]}; "
                    "they go on, wait again or cancel them"
                )
        found |= await store.get_many(left)
        return [found[task_id] for task_id in ids]

    async def _wait_for(self, ids: Sequence[str], timeout_s: float | None) -> bool:
        assert self._waiter is not None
        return await self._waiter.wait(ids, timeout_s)

    async def cancel(self, task_id: str, reason: str | None = None) -> Task:
        """Cancel the task and return it as it is then. Raises TaskNotFound."""
        if await (await self.store()).cancel(task_id, reason) is None:
            raise _not_found(task_id)
        return await self.get(task_id)

    async def tasks(self, **filters: Any) -> list[Task]:
        """Return tasks, newest first. For the filters see the store."""
        return await (await self.store()).tasks(**filters)

    async def counts(self) -> dict[str, int]:
        """Return how many tasks stand in each state; waiting ones as ``blocked`` and ``ready``."""
        return await (await self.store()).counts()

    async def locks(self, resource: str | None = None, limit: int = 1_000) -> list[LockRow]:
        """Return the lines by resource and place."""
        return await (await self.store()).locks(resource, limit)

    async def apps(self) -> list[AppRow]:
        """Return the processes with a record."""
        return await (await self.store()).apps()

    async def close(self) -> None:
        """Close the pool. The next call opens it again."""
        waiter, self._waiter, self._store = self._waiter, None, None
        if waiter is not None:
            waiter.close()
        pool, self._pool = self._pool, None
        if pool is not None:
            await pool.close()


def _not_found(task_id: str) -> TaskNotFound:
    return TaskNotFound(f"no task has the id {task_id!r}, neither waiting nor in the history")
