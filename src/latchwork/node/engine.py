"""The node's side of the database: one connection, on which everything happens, and where hints arrive.

The connection is opened at the first call and again after it broke. While it is idle the loop watches its socket: what
arrives there unasked is a notification, or the end of the connection; either is a reason to look, so it is passed on as
a hint and the next call finds out. Behind a pooler nothing arrives and the poll interval carries the node.

Sleeping: an ``advance`` that finds nothing registers this node as a sleeper and looks once more at once, because a task
that was committed between the look and the registration has woken nobody. A dispatcher that looked for sleepers just
before the registration and committed just after the second look is caught by a third look, ``RECHECK_MS`` later.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import psycopg
from psycopg import AsyncConnection, sql

from latchwork._version import __version__
from latchwork.core.ids import check_id
from latchwork.core.states import ALL
from latchwork.core.task import Advance, Claimed, Finish
from latchwork.db import sql_files
from latchwork.db.async_store import AsyncStore, is_pooled, lend
from latchwork.db.dsn import open_dsn
from latchwork.db.errors import translate
from latchwork.db.records import tasks_from_json
from latchwork.errors import InputError

CONNECT_TIMEOUT_S = 10
RECHECK_MS = 30
HISTORY_EVERY_S = 3_600.0
PREPARE_AFTER = 2
PAGE_MAX = 1_000


class PostgresEngine:
    """The engine of one node on one database connection. ``node_id`` names its row and its channel."""

    def __init__(self, dsn: str, schema: str, node_id: str, name: str | None = None) -> None:
        self._given_dsn = dsn
        self._schema = schema
        self.node_id = check_id(node_id)
        self._name = name or f"{os.getpid()}@{socket.gethostname()}"
        self._conn: AsyncConnection[Any] | None = None
        self._store: AsyncStore | None = None
        self._lock = asyncio.Lock()
        self._hint: Callable[[], None] = lambda: None
        self._watched_fd: int | None = None
        self._names: list[str] = []
        self._slots = 0
        self._asleep = False
        self._settle_at: float | None = None
        self._history_due = 0.0

    def on_hint(self, callback: Callable[[], None]) -> None:
        """Call ``callback`` in the loop whenever something arrives on the idle connection."""
        self._hint = callback

    async def join(self, names: Sequence[str], slots: int) -> None:
        """Make the row of this node. Raises SchemaMismatch, ConfigError, DatabaseUnavailable."""
        self._names, self._slots = list(names), slots
        async with self._lock:
            store = await self._open()
            try:
                await store.check_schema()
                await store.join(self._record())
                await store.beat(self.node_id, "sleeping", 0)
            finally:
                self._watch()

    async def advance(self, finished: Sequence[Finish], want: int) -> Advance:
        """Finish, release, grant, claim; see the SQL function of the same name."""
        async with self._lock:
            store = await self._open()
            try:
                return await self._advance(store, finished, want)
            finally:
                self._watch()

    async def _advance(self, store: AsyncStore, finished: Sequence[Finish], want: int) -> Advance:
        settle_ms = await self._settle(store)
        answer = await store.advance(self.node_id, self._names, finished, want, sleep=want > 0)
        recheck_ms: int | None = None
        if want == 0 or len(answer.claimed) == want:
            self._asleep = False
        elif not self._asleep:
            self._asleep = True
            recheck_ms = RECHECK_MS
            if not answer.claimed:
                second = await store.advance(self.node_id, self._names, (), want, sleep=True)
                answer = second._replace(refused=answer.refused, canceling=second.canceling or answer.canceling)
        self._note_settle(answer.settle_ms if settle_ms is None else min(settle_ms, answer.settle_ms or settle_ms))
        waits = [ms for ms in (answer.settle_ms, settle_ms, recheck_ms) if ms is not None]
        return answer._replace(settle_ms=min(waits) if waits else None)

    async def _settle(self, store: AsyncStore) -> int | None:
        """Look at unsettled lines if some are due by now; return when the next one is."""
        if self._settle_at is None or asyncio.get_running_loop().time() < self._settle_at:
            return None
        return await store.settle(self.node_id)

    def _note_settle(self, due_ms: int | None) -> None:
        self._settle_at = None if due_ms is None else asyncio.get_running_loop().time() + due_ms / 1000

    async def beat(self, state: str, running: int) -> None:
        """Write the heartbeat."""
        async with self._lock:
            store = await self._open()
            try:
                await store.beat(self.node_id, state, running)
                if asyncio.get_running_loop().time() >= self._history_due:
                    await self._ensure_history(store)
            finally:
                self._watch()

    async def _ensure_history(self, store: AsyncStore) -> None:
        """Keep the history's partitions a week ahead. Cheap when they are there."""
        self._history_due = asyncio.get_running_loop().time() + HISTORY_EVERY_S
        await store.ensure_history()

    async def leave(self) -> None:
        """Delete the row of this node."""
        async with self._lock:
            store = await self._open()
            await store.leave(self.node_id)

    async def call(self, claimed: Claimed, method: str, params: dict[str, Any]) -> Any:
        """Answer a running task: the methods of ``executor/link_store.py`` and nothing else."""
        handler = _CALLS.get(method)
        if handler is None:
            raise InputError(f"a task asked its node for {method!r:.60}; it answers {', '.join(sorted(_CALLS))}")
        async with self._lock:
            store = await self._open()
            try:
                return await handler(store, claimed, params)
            finally:
                self._watch()

    async def close(self) -> None:
        """Close the connection. Idempotent."""
        self._unwatch()
        conn, self._conn, self._store = self._conn, None, None
        if conn is not None:
            await conn.close()

    async def _open(self) -> AsyncStore:
        self._unwatch()
        if self._conn is not None and self._conn.closed:
            self._conn = self._store = None
        if self._store is None:
            await self._connect()
        assert self._store is not None
        return self._store

    async def _connect(self) -> None:
        dsn = (
            await asyncio.to_thread(open_dsn, self._given_dsn)
            if self._given_dsn.startswith("embedded:")
            else self._given_dsn
        )
        try:
            conn = await AsyncConnection.connect(
                dsn, autocommit=True, connect_timeout=CONNECT_TIMEOUT_S, prepare_threshold=None
            )
            if not await is_pooled(conn, self._schema):
                conn.prepare_threshold = PREPARE_AFTER
                await self._listen(conn)
        except psycopg.Error as error:
            raise translate(error, dsn) from error
        self._conn, self._asleep = conn, False
        self._store = AsyncStore(partial(lend, conn), dsn, self._schema)

    async def _listen(self, conn: AsyncConnection[Any]) -> None:
        statement = sql.SQL(sql_files.query("listen", self._schema))
        for channel in (f"latchwork_{self.node_id}", "latchwork_work"):
            await conn.execute(statement.format(sql.Identifier(channel)))
        conn.add_notify_handler(lambda _: self._hint())

    def _record(self) -> dict[str, Any]:
        return {
            "id": self.node_id,
            "name": self._name,
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "slots": self._slots,
            "version": __version__,
            "tasks": self._names,
        }

    def _watch(self) -> None:
        """Watch the idle socket. A connection that broke is dropped: the next call opens a new one."""
        conn = self._conn
        if conn is None or conn.closed:
            return
        self._watched_fd = conn.fileno()
        asyncio.get_running_loop().add_reader(self._watched_fd, self._arrived)

    def _unwatch(self) -> None:
        if self._watched_fd is not None:
            asyncio.get_running_loop().remove_reader(self._watched_fd)
            self._watched_fd = None

    def _arrived(self) -> None:
        self._unwatch()
        self._hint()


async def _dispatch(store: AsyncStore, claimed: Claimed, params: dict[str, Any]) -> Any:
    try:
        tasks = tasks_from_json(params["tasks"])
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"task {claimed.id} asked for a dispatch that cannot be read: {error!r:.200}") from None
    stored = await store.dispatch([task._replace(parent=claimed.id) for task in tasks], again=bool(params.get("again")))
    return [list(row) for row in stored]


async def _get(store: AsyncStore, _claimed: Claimed, params: dict[str, Any]) -> Any:
    task = await store.get(check_id(params.get("id")))
    return task._asdict() if task else None


async def _final_ids(store: AsyncStore, _claimed: Claimed, params: dict[str, Any]) -> Any:
    return await store.final_ids([check_id(task_id) for task_id in params.get("ids", ())])


async def _cancel(store: AsyncStore, _claimed: Claimed, params: dict[str, Any]) -> Any:
    reason = params.get("reason")
    return await store.cancel(check_id(params.get("id")), None if reason is None else str(reason))


async def _tasks(store: AsyncStore, _claimed: Claimed, params: dict[str, Any]) -> Any:
    known = {key: params.get(key) for key in ("name", "resource", "before") if params.get(key) is not None}
    states = [state for state in params.get("state") or () if state in ALL]
    limit = min(int(params.get("limit", 100)), PAGE_MAX)
    return [task._asdict() for task in await store.tasks(state=states, limit=limit, **known)]


_CALLS = {"dispatch": _dispatch, "get": _get, "final_ids": _final_ids, "cancel": _cancel, "tasks": _tasks}
