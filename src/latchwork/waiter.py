# Generated from async_waiter.py by scripts/gen_sync.py: edit that file, then `make sync`.
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

import threading
import time
from collections.abc import Iterable
from contextlib import ExitStack
from typing import Any

from psycopg import Connection, Error, sql

from latchwork.concurrency import event_wait, spawn
from latchwork.db import sql_files
from latchwork.db.errors import translate
from latchwork.db.store import Store, one_connection
from latchwork.errors import DatabaseError

LOOK_GAP_S_MAX = 0.01
LINGER_S = 5.0  # how long the loop and its connection stay when nobody waits any more
POLL_S_FIRST, POLL_S_MAX = 0.005, 0.25
LISTENING_POLL_S_MAX = 1.0


class _Wait:
    """One call of ``wait``: the tasks it still waits for, and its bell."""

    def __init__(self, ids: Iterable[str]) -> None:
        self.left = set(ids)
        self.done = threading.Event()


class Waiter:
    """Waits for the end of tasks on behalf of everybody in this process. ``app_id`` names the channel of its hints."""

    def __init__(self, store: Store, app_id: str, listen_dsn: str | None) -> None:
        self._closed = False
        self._wanted_until = 0.0
        self._store = store
        self._app_id = app_id
        self._listen_dsn = listen_dsn
        self._waits: list[_Wait] = []
        self._guard = threading.Lock()
        self._running = False
        self.looks = 0

    def wait(self, ids: Iterable[str], timeout_s: float | None) -> bool:
        """Return True once all tasks are final, False when ``timeout_s`` seconds are over first."""
        wait = _Wait(ids)
        if self._listen_dsn is not None:
            self._store.watch(self._app_id, sorted(wait.left))
        wait.left.difference_update(self._store.final_ids(sorted(wait.left)))
        if not wait.left:
            return True
        with self._guard:
            self._waits.append(wait)
            start, self._running = not self._running, True
        if start:
            spawn(self._loop)
        try:
            return event_wait(wait.done, timeout_s)
        finally:
            self._waits.remove(wait)
            if self._listen_dsn is not None and wait.left:
                self._store.unwatch(self._app_id, sorted(wait.left))

    def _loop(self) -> None:
        delay_s = POLL_S_FIRST
        while self._wanted():
            try:
                with ExitStack() as stack:
                    conn = self._listen(stack)
                    delay_s = POLL_S_FIRST
                    self._look_while_wanted(conn)
            except DatabaseError:
                time.sleep(delay_s)
                delay_s = min(2 * delay_s, 2.0)

    def close(self) -> None:
        """End the loop when it looks up next. Waits under way end with their time-out."""
        self._closed = True

    def _wanted(self) -> bool:
        with self._guard:
            if self._waits:
                self._wanted_until = time.monotonic() + LINGER_S
            self._running = not self._closed and time.monotonic() < self._wanted_until
            return self._running

    def _look_while_wanted(self, conn: Connection[Any] | None) -> None:
        delay_s, longest_s = POLL_S_FIRST, POLL_S_MAX if conn is None else LISTENING_POLL_S_MAX
        seen = 0
        while self._wanted():
            start = time.monotonic()
            found = bool(self._waits) and self._look()
            delay_s = POLL_S_FIRST if found or len(self._waits) > seen else min(2 * delay_s, longest_s)
            seen = len(self._waits)
            # Looks take at most a third of the time, however fast the hints come.
            time.sleep(min(LOOK_GAP_S_MAX, 2 * (time.monotonic() - start)))
            self._pause(conn, delay_s)

    def _look(self) -> bool:
        self.looks += 1
        waits = list(self._waits)
        final = set(self._store.final_ids(sorted(set().union(*(wait.left for wait in waits)))))
        for wait in waits:
            wait.left -= final
            if not wait.left:
                wait.done.set()
        return bool(final)

    def _listen(self, stack: ExitStack) -> Connection[Any] | None:
        if self._listen_dsn is None:
            return None
        conn: Connection[Any] = stack.enter_context(one_connection(self._listen_dsn))
        statement = sql.SQL(sql_files.query("listen", self._store.schema))
        conn.execute(statement.format(sql.Identifier(f"latchwork_{self._app_id}")))
        return conn

    def _pause(self, conn: Connection[Any] | None, delay_s: float) -> None:
        if conn is None:
            time.sleep(delay_s)
            return
        try:
            for _ in conn.notifies(timeout=delay_s, stop_after=1):
                pass
        except Error as error:
            raise translate(error, self._store.dsn) from error
