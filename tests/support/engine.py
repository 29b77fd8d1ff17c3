"""Short words for driving the lock engine on one connection, as a node and a client would."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any, NamedTuple

import psycopg

from latchwork.core.resource import LockSet
from latchwork.core.task import Advance, Claimed, Finish, NewTask
from latchwork.db.records import Stored
from latchwork.db.store import Store, lend

NODE = str(uuid.UUID(int=1))
NAME = "work"

Connection = psycopg.Connection[tuple[Any, ...]]

TABLES = """
SELECT (SELECT coalesce(json_agg(json_build_object('id', t.id, 'state', t.state, 'pending', t.pending,
                  'ready', t.unblocked_at IS NOT NULL, 'token', t.token) ORDER BY t.ticket), '[]')
          FROM latchwork.task t),
       (SELECT coalesce(json_agg(json_build_object('id', h.id, 'state', h.state)), '[]') FROM latchwork.history h),
       (SELECT coalesce(json_agg(json_build_array(q.resource, q.task, q.exclusive, q.granted)
                  ORDER BY q.resource, q.ticket), '[]') FROM latchwork.lock_request q)
"""
# DELETE and not TRUNCATE, which makes new files for each of the tables: fifty times slower on a few rows.
EMPTY = """
WITH a AS (DELETE FROM latchwork.task), b AS (DELETE FROM latchwork.lock_request),
     c AS (DELETE FROM latchwork.unsettled), d AS (DELETE FROM latchwork.sleeper), e AS (DELETE FROM latchwork.watch)
DELETE FROM latchwork.history
"""
REST = """
SELECT (SELECT count(*) FROM latchwork.task), (SELECT count(*) FROM latchwork.lock_request),
       (SELECT count(*) FROM latchwork.unsettled), (SELECT count(*) FROM latchwork.sleeper)
"""


class Tables(NamedTuple):
    """What the hot tables and the history hold."""

    tasks: list[dict[str, Any]]  # in ticket order
    history: dict[str, str]  # id -> final state
    lines: list[tuple[str, str, bool, bool]]  # resource, task, exclusive, granted; in line order


def tables(conn: Connection) -> Tables:
    row = conn.execute(TABLES).fetchone()
    assert row is not None
    lines = [(resource, task, exclusive, granted) for resource, task, exclusive, granted in row[2]]
    return Tables(row[0], {final["id"]: final["state"] for final in row[1]}, lines)


def store_on(conn: Connection) -> Store:
    return Store(lambda: lend(conn), "")


def new_task(
    exclusive: Sequence[str] = (),
    shared: Sequence[str] = (),
    *,
    name: str = NAME,
    priority: int = 0,
    task_id: str | None = None,
) -> NewTask:
    locks = LockSet(tuple(exclusive), tuple(shared))
    return NewTask(task_id or str(uuid.uuid4()), name, '{"args":[],"kwargs":{}}', locks, priority)


class Engine:
    """The engine as one session sees it. In autocommit each call is a transaction, else the caller decides."""

    def __init__(self, conn: Connection, node: str = NODE) -> None:
        self.conn = conn
        self.store = store_on(conn)
        self.node = node
        self.pid = conn.info.backend_pid
        self.owned: dict[str, Claimed] = {}

    def dispatch(self, *tasks: NewTask, again: bool = False) -> list[Stored]:
        return self.store.dispatch(tasks, again=again)

    def write(self, *resources: str) -> Stored:
        return self.dispatch(new_task(resources))[0]

    def read(self, *resources: str) -> Stored:
        return self.dispatch(new_task((), resources))[0]

    def advance(self, done: Sequence[str], want: int) -> Advance:
        """Complete owned tasks and claim more, in one call."""
        finished = [Finish(task, self.owned[task].token, "completed", "null") for task in done]
        answer = self.store.advance(self.node, [NAME], finished, want, notify=False)
        self.owned.update((claimed.id, claimed) for claimed in answer.claimed)
        return answer

    def claim(self, want: int = 100) -> list[str]:
        return [claimed.id for claimed in self.advance([], want).claimed]

    def finish(self, *tasks: str) -> Advance:
        return self.advance(tasks, 0)

    def cancel(self, task: str) -> str | None:
        return self.store.cancel(task)

    def settle(self) -> int | None:
        return self.store.settle(self.node, notify=False)

    def ready(self) -> list[str]:
        """The ids of the ready tasks, in ticket order."""
        return [task["id"] for task in tables(self.conn).tasks if task["ready"] and task["state"] == "waiting"]

    def state(self, task: str) -> str | None:
        found = self.store.get(task)
        return found.state if found else None

    def at_rest(self) -> bool:
        """Whether nothing is left in the hot tables."""
        return self.conn.execute(REST).fetchone() == (0, 0, 0, 0)
