"""The values that travel between the floors. Plain and immutable; nothing here does I/O.

NamedTuples and not dataclasses where the template or a child imports them: what those import is paid at each fork.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from latchwork.core.resource import LockSet
from latchwork.core.states import COMPLETED, FINAL, WAITING

PRIORITY_MAX = 1_000
TASK_NAME_CHARS_MAX = 200


class NewTask(NamedTuple):
    """A task about to be dispatched: checked, rendered, ready to be stored."""

    id: str  # UUIDv7 as text, made by the client
    name: str
    payload: str  # JSON text: {"args": [...], "kwargs": {...}}
    locks: LockSet
    priority: int = 0  # higher is claimed earlier; orders ready tasks only, never a resource's line
    timeout_s: float | None = None  # wall time of one attempt
    parent: str | None = None


class Claimed(NamedTuple):
    """A task that this node owns from now on. The token is the proof; it is random and new for each claim."""

    id: str
    name: str
    token: str
    attempt: int
    ticket: int
    payload: str
    timeout_s: float | None


class Finish(NamedTuple):
    """What became of a claimed task."""

    id: str
    token: str
    state: str  # completed | failed | canceled
    result: str | None = None  # JSON text
    error: str | None = None  # JSON text of an object: type, message, traceback
    output: str | None = None  # what the task wrote to stdout and stderr, cut to the limit


class Advance(NamedTuple):
    """The answer of one ``advance`` call."""

    claimed: tuple[Claimed, ...]
    refused: tuple[str, ...]  # ids whose token did not own the task any more: nothing was changed for them
    canceling: tuple[str, ...]  # ids this node runs that somebody has asked to cancel
    settle_ms: int | None  # lines whose release waits for a stranger: call again after so many ms; None: none
    more: bool  # ready tasks were left that this node could have run


class Task(NamedTuple):
    """A task as the database showed it at one moment. ``app.get(id)`` gives a newer one."""

    id: str
    name: str
    state: str
    priority: int
    attempt: int
    exclusive: tuple[str, ...]
    shared: tuple[str, ...]
    ticket: int | None
    created_at: float  # seconds since the epoch, the database's clock, as all times here
    unblocked_at: float | None
    started_at: float | None
    finished_at: float | None
    node: str | None
    parent: str | None
    timeout_s: float | None
    payload: str | None
    result: Any
    error: dict[str, Any] | None
    output: str | None

    @property
    def final(self) -> bool:
        """Whether the task has reached completed, failed or canceled."""
        return self.state in FINAL

    @property
    def ok(self) -> bool:
        """Whether the task has completed."""
        return self.state == COMPLETED

    @property
    def blocked(self) -> bool:
        """Whether the task still waits for a lock."""
        return self.state == WAITING and self.unblocked_at is None

    @property
    def ready(self) -> bool:
        """Whether the task holds all its locks and waits for a slot."""
        return self.state == WAITING and self.unblocked_at is not None


def placed(task: NewTask, ticket: int, ready: bool, created_at: float) -> Task:
    """Return the Task that a dispatch has just stored."""
    return Task(
        id=task.id,
        name=task.name,
        state=WAITING,
        priority=task.priority,
        attempt=0,
        exclusive=task.locks.exclusive,
        shared=task.locks.shared,
        ticket=ticket,
        created_at=created_at,
        unblocked_at=created_at if ready else None,
        started_at=None,
        finished_at=None,
        node=None,
        parent=task.parent,
        timeout_s=task.timeout_s,
        payload=task.payload,
        result=None,
        error=None,
        output=None,
    )
