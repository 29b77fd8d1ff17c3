"""Hand-made histories: tasks as the database would show them, and those that a faultless node would leave behind."""

from __future__ import annotations

import heapq
import uuid
from collections.abc import Sequence
from itertools import count
from typing import Any, NamedTuple

from latchwork.core.resource import LockSet, normalise
from latchwork.core.task import Task

NO_LOCKS = LockSet()


class Work(NamedTuple):
    """What one task of a simulated run does."""

    name: str
    exclusive: Sequence[str] = ()
    shared: Sequence[str] = ()
    takes_s: float = 1.0


def task(number: int, name: str, locks: LockSet = NO_LOCKS, **fields: Any) -> Task:
    """Return a completed task with this ticket; ``fields`` replace what a made-up one has."""
    made = Task(
        id=str(uuid.UUID(int=number)),
        name=f"demo.{name}",
        state="completed",
        priority=0,
        attempt=1,
        exclusive=locks.exclusive,
        shared=locks.shared,
        ticket=number,
        created_at=0.0,
        unblocked_at=0.0,
        started_at=0.0,
        finished_at=1.0,
        node="node",
        parent=None,
        timeout_s=None,
        payload=None,
        result=None,
        error=None,
        output=None,
    )
    return made._replace(**fields)


def faultless(works: Sequence[Work], slots: int = 4) -> list[Task]:
    """Return the history of running ``works``, all dispatched at time 0 in this order, on a node without faults."""
    locks = [normalise(work.exclusive, work.shared) for work in works]
    holds: dict[int, set[int]] = {
        later: {earlier for earlier in range(later) if locks[earlier].conflicts_with(locks[later])}
        for later in range(len(works))
    }
    ready_at = {number: 0.0 for number, blockers in holds.items() if not blockers}
    started, finished = dict[int, float](), dict[int, float]()
    running: list[tuple[float, int]] = []
    now = 0.0
    while len(finished) < len(works):
        for number in sorted(ready_at.keys() - started.keys())[: slots - len(running)]:
            started[number] = now
            heapq.heappush(running, (now + works[number].takes_s, number))
        now, ended = heapq.heappop(running)
        finished[ended] = now
        for number, blockers in holds.items():
            if ended in blockers:
                blockers.discard(ended)
                if not blockers:
                    ready_at[number] = now
    tickets = count(1)
    return [
        task(
            next(tickets),
            work.name,
            locks[number],
            unblocked_at=ready_at[number],
            started_at=started[number],
            finished_at=finished[number],
        )
        for number, work in enumerate(works)
    ]
