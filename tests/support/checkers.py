"""Checkers of a run: pure functions from what was recorded to the violations found. None found is an empty list.

A ``Run`` is one execution of a task, timed by the clock of the machine that all processes of a test share; what the
database says about a task is in ``Final``. Each checker is linear in the number of lock requests, after sorting, so a
million of them can be checked.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import NamedTuple, TypeVar

from latchwork.core.resource import LockSet
from latchwork.core.states import FINAL


class Run(NamedTuple):
    """One execution: from the answer of the claim to just before the finish."""

    task: str
    ticket: int
    locks: LockSet
    start: float
    end: float


class Sent(NamedTuple):
    """One acknowledged dispatch, and the bounds of the moment in which it was committed."""

    task: str
    ticket: int
    locks: LockSet
    commit_after: float
    commit_before: float


Locked = TypeVar("Locked", Run, Sent)


class Final(NamedTuple):
    """What the history says about a task."""

    task: str
    state: str
    attempt: int
    started: bool


def overlaps(runs: Iterable[Run]) -> list[str]:
    """Executions of conflicting tasks that overlap in time."""
    found = []
    for resource, line in _by_resource(runs):
        last: Run | None = None  # of those that began before: who ends last
        last_writer: Run | None = None
        for run in sorted(line, key=lambda run: (run.start, run.end)):
            writes = resource in run.locks.exclusive
            before = last if writes else last_writer
            if before is not None and before.end > run.start:
                found.append(f"{resource}: {run.task} began while {before.task} ran")
            last = _later(last, run)
            last_writer = _later(last_writer, run) if writes else last_writer
    return found


def disorder(runs: Iterable[Run]) -> list[str]:
    """Conflicting tasks that began in another order than that of their tickets."""
    found = []
    for resource, line in _by_resource(runs):
        last: Run | None = None  # of those with smaller tickets: who began last
        last_writer: Run | None = None
        for run in sorted(line, key=lambda run: run.ticket):
            writes = resource in run.locks.exclusive
            before = last if writes else last_writer
            if before is not None and before.start > run.start:
                found.append(f"{resource}: {run.task} (ticket {run.ticket}) began before {before.task}")
            last = run if last is None or run.start > last.start else last
            if writes and (last_writer is None or run.start > last_writer.start):
                last_writer = run
    return found


def late_tickets(dispatches: Iterable[Sent]) -> list[str]:
    """Conflicting dispatches where the one with the smaller ticket was surely committed after the other."""
    found = []
    for resource, line in _by_resource(dispatches):
        first: Sent | None = None  # of those with greater tickets: who was surely committed first
        first_writer: Sent | None = None
        for sent in sorted(line, key=lambda sent: -sent.ticket):
            writes = resource in sent.locks.exclusive
            after = first if writes else first_writer
            if after is not None and after.commit_before < sent.commit_after:
                found.append(f"{resource}: ticket {sent.ticket} was committed after ticket {after.ticket}")
            first = sent if first is None or sent.commit_before < first.commit_before else first
            if writes and (first_writer is None or sent.commit_before < first_writer.commit_before):
                first_writer = sent
    return found


def losses(acknowledged: Collection[str], finals: Sequence[Final]) -> list[str]:
    """Tasks acknowledged and not final, final and never dispatched, or final twice."""
    ended = [final.task for final in finals]
    lost = set(acknowledged) - set(ended)
    unexpected = set(ended) - set(acknowledged)
    found = [f"{task} was acknowledged and is not final" for task in sorted(lost)]
    found += [f"{task} is final and was never dispatched" for task in sorted(unexpected)]
    return found + [f"{len(ended) - len(set(ended))} tasks are final twice"] * (len(ended) != len(set(ended)))


def illegal_ends(finals: Iterable[Final], runs: Iterable[Run]) -> list[str]:
    """Ends that the table of states does not know, and executions that do not fit them."""
    count: dict[str, int] = {}
    for run in runs:
        count[run.task] = count.get(run.task, 0) + 1
    found = []
    for final in finals:
        ran = count.get(final.task, 0)
        if final.state not in FINAL:
            found.append(f"{final.task} is {final.state}, which is no final state")
        if final.state == "completed" and ran != 1:
            found.append(f"{final.task} is completed and ran {ran} times")
        if final.attempt != ran or final.started != (ran > 0):
            found.append(f"{final.task} has attempt {final.attempt}, started: {final.started}, and ran {ran} times")
    return found


def _later(one: Run | None, other: Run) -> Run:
    return other if one is None or other.end > one.end else one


def _by_resource(items: Iterable[Locked]) -> Iterator[tuple[str, list[Locked]]]:
    lines: dict[str, list[Locked]] = {}
    for item in items:
        locks: LockSet = item.locks
        for resource in (*locks.exclusive, *locks.shared):
            lines.setdefault(resource, []).append(item)
    return iter(lines.items())
