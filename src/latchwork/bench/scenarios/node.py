"""What the scenarios with a real node share: dispatch, wait until all is done, read the times from the history."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from psycopg import Connection

from latchwork.bench.node_process import Node
from latchwork.bench.place import Place
from latchwork.core.task import NewTask
from latchwork.db.store import Store
from latchwork.errors import WaitTimeout

POLL_S = 0.02
LIMIT_S_BASE = 60.0
LIMIT_S_A_TASK = 0.2


class Run(NamedTuple):
    """One final task. Seconds since the epoch by the database's clock."""

    id: str
    ticket: int
    started_at: float
    finished_at: float
    result: Any


class Bench(NamedTuple):
    """A running node and a connection beside it."""

    place: Place
    conn: Connection[Any]
    store: Store
    node: Node

    def run(self, tasks: Sequence[NewTask]) -> list[Run]:
        """Dispatch tasks to the idle node, wait until all are final, and return them by ticket.

        Raises WaitTimeout if that takes more than a minute and 0.2 s a task, ExecutorError if the node ends.
        """
        stored = self.store.dispatch(tasks)
        self.wait_until(lambda: not self.any_left(), LIMIT_S_BASE + LIMIT_S_A_TASK * len(tasks))
        rows = self.place.run(self.conn, "times", {"after": stored[0].ticket - 1})
        return [Run(one, ticket, start, end, json.loads(result or "null")) for one, ticket, start, end, result in rows]

    def any_left(self) -> bool:
        """Whether a task is not final."""
        return bool(self.place.run(self.conn, "any_left")[0][0])

    def wait_until(self, condition: Callable[[], bool], limit_s: float) -> None:
        """Poll until ``condition`` holds."""
        deadline = time.monotonic() + limit_s
        while not condition():
            self.node.check()
            if time.monotonic() > deadline:
                raise WaitTimeout(f"tasks were left after {limit_s:g} s: {self.store.counts()}; {self.node.said()}")
            time.sleep(POLL_S)
