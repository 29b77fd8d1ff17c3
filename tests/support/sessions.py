"""Two-session scenes: each session is one connection whose calls may block, and blocking is seen in the server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

import psycopg

from tests.support.engine import Connection, Engine
from tests.support.eventually import eventually
from tests.support.postgres import blocked_by

T = TypeVar("T")

LIMIT_S = 30.0


class Session(Engine):
    """One connection with explicit transactions, and a thread in which a call may wait."""

    def __init__(self, conn: Connection, thread: ThreadPoolExecutor, watcher: Connection, node: str) -> None:
        super().__init__(conn, node)
        self._thread = thread
        self._watcher = watcher

    def begin(self) -> None:
        self.conn.execute("BEGIN")

    def commit(self) -> None:
        self.conn.execute("COMMIT")

    def rollback(self) -> None:
        self.conn.execute("ROLLBACK")

    def start(self, call: Callable[[], T]) -> Future[T]:
        """Make a call that may have to wait, and return when it has ended or the server says that it waits."""
        future = self._thread.submit(call)
        eventually(lambda: future.done() or self.blockers(), LIMIT_S, "the call ends or waits for a lock")
        return future

    def blockers(self) -> list[int]:
        """The sessions that this one waits for now."""
        return blocked_by(self._watcher, self.pid)


@contextmanager
def sessions(dsn: str, count: int) -> Iterator[list[Session]]:
    """Open ``count`` sessions. Those still waiting at the end are cut."""
    conns = [psycopg.connect(dsn, autocommit=True) for _ in range(count + 1)]
    threads = [ThreadPoolExecutor(1) for _ in range(count)]
    watcher = conns.pop()
    nodes = [f"00000000-0000-0000-0000-00000000000{n + 1}" for n in range(count)]
    try:
        made = zip(conns, threads, nodes, strict=True)
        yield [Session(conn, thread, watcher, node) for conn, thread, node in made]
    finally:
        for conn in conns:
            watcher.execute("SELECT pg_terminate_backend(%s)", [conn.info.backend_pid])
        for thread in threads:
            thread.shutdown()
        for conn in [*conns, watcher]:
            conn.close()
