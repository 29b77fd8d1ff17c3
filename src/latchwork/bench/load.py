"""Tasks to dispatch, a loop that works them off as a node would but without running anything, and the checks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from psycopg import Connection

from latchwork.app import new_id
from latchwork.bench.place import Place
from latchwork.bench.tasks import NOOP
from latchwork.core.resource import LockSet
from latchwork.core.states import COMPLETED
from latchwork.core.task import Claimed, Finish, NewTask
from latchwork.db.store import Store
from latchwork.errors import LeaseLost

PAYLOAD = '{"args":[],"kwargs":{}}'
NO_LOCKS = LockSet()
RESOURCES = 100
ALL_SHARE = "everybody"


def no_locks(_: int) -> LockSet:
    """Ask for nothing."""
    return NO_LOCKS


def two_locks(number: int) -> LockSet:
    """Ask for one of 100 resources exclusively and for one that all share."""
    return LockSet((f"resource:{number % RESOURCES}",), (ALL_SHARE,))


def new_tasks(count: int, locks: Callable[[int], LockSet] = no_locks, name: str = NOOP) -> list[NewTask]:
    """Return so many new tasks without arguments."""
    return [NewTask(new_id(), name, PAYLOAD, locks(number)) for number in range(count)]


def done(claimed: Sequence[Claimed]) -> list[Finish]:
    """Return the outcome of tasks that did what they should and returned nothing."""
    return [Finish(one.id, one.token, COMPLETED, "null") for one in claimed]


def work_off(store: Store, batch: int, names: Sequence[str] = (NOOP,)) -> list[str]:
    """Claim and complete until nothing is ready, in batches: one ``advance`` each. Returns the ids as claimed.

    Raises LeaseLost if an outcome was refused.
    """
    node, claimed_ids, finished = new_id(), list[str](), list[Finish]()
    while True:
        answer = store.advance(node, names, finished, batch)
        if answer.refused:
            raise LeaseLost(
                f"the outcomes of {len(answer.refused)} tasks were refused, the first is {answer.refused[0]}"
            )
        if not answer.claimed and not finished:
            return claimed_ids
        claimed_ids += [one.id for one in answer.claimed]
        finished = done(answer.claimed)


def claim_faults(dispatched: Sequence[NewTask], claimed_ids: Sequence[str]) -> list[str]:
    """Return what is wrong unless each dispatched task was claimed exactly once."""
    faults = []
    if len(claimed_ids) != len(set(claimed_ids)):
        faults.append(f"{len(claimed_ids) - len(set(claimed_ids))} tasks were handed out more than once")
    if missing := {task.id for task in dispatched} - set(claimed_ids):
        faults.append(f"{len(missing)} tasks were never handed out")
    return faults


def history_faults(place: Place, conn: Connection[Any], expected: int) -> list[str]:
    """Return what is wrong with a run of ``expected`` tasks that should be over. Empty: it was correct."""
    return _faults(place, conn, "history_faults", expected)


def line_faults(place: Place, conn: Connection[Any], expected: int) -> list[str]:
    """Return what is wrong with lines in which ``expected`` tasks should stand."""
    return _faults(place, conn, "line_faults", expected)


def _faults(place: Place, conn: Connection[Any], name: str, expected: int) -> list[str]:
    return [f"{found} {what}" for what, found in place.run(conn, name, {"expected": expected})]
