"""Waiting for tasks: all waiters of a client share one loop, one connection and one query.

Promise: a wait ends within the poll interval of the task's end, and within milliseconds when hints arrive. A thousand
waiters cost at most 100 small queries a second while tasks end, and one or two a second while nothing happens.

How: the loop lives while somebody waits. It listens on the client's channel, where the finish of a watched task sends
the task's id, and looks at once; without hints (``listen=False``, or a pooler that swallows them) it looks at
growing intervals. Hints only shorten the interval. A watch that a finish overlooked (it was published after the finish
looked and before it committed) is found by the next look; the first looks follow quickly.

Failures: a lost connection ends no wait; the loop goes on with a new one, with back-off.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from contextlib import AsyncExitStack
from typing import Any

from psycopg import AsyncConnection, Error, sql

from latchwork.concurrency import aevent_wait, aspawn
from latchwork.db import sql_files
from latchwork.db.async_store import AsyncStore, one_connection
from latchwork.db.errors import translate
from latchwork.errors import DatabaseError

LOOK_GAP_S_MAX = 0.01
LINGER_S = 5.0  # how long the loop and its connection stay when nobody waits any more
POLL_S_FIRST, POLL_S_MAX = 0.005, 0.25
LISTENING_POLL_S_MAX = 1.0


class _Wait:
    """One call of ``wait``: the tasks it still waits for, and its bell."""

    def __init__(self, ids: Iterable[str]) -> None:
        self.left = set(ids)
        self.done = asyncio.Event()


class AsyncWaiter:
    """Waits for the end of tasks on behalf of everybody in this process. ``app_id`` names the channel of its hints."""

    def __init__(self, store: AsyncStore, app_id: str, listen_dsn: str | None) -> None:
        self._closed = False
        self._wanted_until = 0.0
        self._store = store
        self._app_id = app_id
        self._listen_dsn = listen_dsn
        self._waits: list[_Wait] = []
        self._guard = asyncio.Lock()
        self._running = False
        self.looks = 0

    async def wait(self, ids: Iterable[str], timeout_s: float | None) -> bool:
        """Return True once all tasks are final, False when ``timeout_s`` seconds are over first."""
        wait = _Wait(ids)
        if self._listen_dsn is not None:
            await self._store.watch(self._app_id, sorted(wait.left))
        wait.left.difference_update(await self._store.final_ids(sorted(wait.left)))
        if not wait.left:
            return True
        async with self._guard:
            self._waits.append(wait)
            start, self._running = not self._running, True
        if start:
            aspawn(self._loop)
        try:
            return await aevent_wait(wait.done, timeout_s)
        finally:
            self._waits.remove(wait)
            if self._listen_dsn is not None and wait.left:
                await self._store.unwatch(self._app_id, sorted(wait.left))

    async def _loop(self) -> None:
        delay_s = POLL_S_FIRST
        while await self._wanted():
            try:
                async with AsyncExitStack() as stack:
                    conn = await self._listen(stack)
                    delay_s = POLL_S_FIRST
                    await self._look_while_wanted(conn)
            except DatabaseError:
                await asyncio.sleep(delay_s)
                delay_s = min(2 * delay_s, 2.0)

    def close(self) -> None:
        """End the loop when it looks up next. Waits under way end with their time-out."""
        self._closed = True

    async def _wanted(self) -> bool:
        async with self._guard:
            if self._waits:
                self._wanted_until = time.monotonic() + LINGER_S
            self._running = not self._closed and time.monotonic() < self._wanted_until
            return self._running

    async def _look_while_wanted(self, conn: AsyncConnection[Any] | None) -> None:
        delay_s, longest_s = POLL_S_FIRST, POLL_S_MAX if conn is None else LISTENING_POLL_S_MAX
        seen = 0
        while await self._wanted():
            start = time.monotonic()
            found = bool(self._waits) and await self._look()
            delay_s = POLL_S_FIRST if found or len(self._waits) > seen else min(2 * delay_s, longest_s)
            seen = len(self._waits)
            # Looks take at most a third of the time, however fast the hints come.
            await asyncio.sleep(min(LOOK_GAP_S_MAX, 2 * (time.monotonic() - start)))
            await self._pause(conn, delay_s)

    async def _look(self) -> bool:
        self.looks += 1
        waits = list(self._waits)
        final = set(await self._store.final_ids(sorted(set().union(*(wait.left for wait in waits)))))
        for wait in waits:
            wait.left -= final
            if not wait.left:
                wait.done.set()
        return bool(final)

    async def _listen(self, stack: AsyncExitStack) -> AsyncConnection[Any] | None:
        if self._listen_dsn is None:
            return None
        conn: AsyncConnection[Any] = await stack.enter_async_context(one_connection(self._listen_dsn))
        statement = sql.SQL(sql_files.query("listen", self._store.schema))
        await conn.execute(statement.format(sql.Identifier(f"latchwork_{self._app_id}")))
        return conn

    async def _pause(self, conn: AsyncConnection[Any] | None, delay_s: float) -> None:
        if conn is None:
            await asyncio.sleep(delay_s)
            return
        try:
            async for _ in conn.notifies(timeout=delay_s, stop_after=1):
                pass
        except Error as error:
            raise translate(error, self._store.dsn) from error
