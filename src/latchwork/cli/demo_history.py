"""What a list of tasks tells: who waited for whom, whether the promises were kept, the figures. Pure functions.

All of it follows from each task's ticket, lock set and times. In one resource's line, in ticket order, an exclusive
request waits for everybody before it, a shared one for the exclusive ones before it: :func:`links` gives, for each
request, the one of those that ended last. If even that one had ended before the later task became ready, then all had:
so one pass checks that conflicting tasks neither overlapped nor overtook each other.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from latchwork.cli.text import line
from latchwork.core.task import Task


class Link(NamedTuple):
    """``later`` had to wait until ``earlier`` ended, for this resource."""

    resource: str
    earlier: Task
    later: Task


class Span(NamedTuple):
    """The times of a task, as seconds on one axis. Infinity: not yet."""

    created: float
    ready: float
    started: float
    finished: float


def span(task: Task) -> Span:
    """Return the times of the task, infinity where nothing has happened yet."""
    times = (task.unblocked_at, task.started_at, task.finished_at)
    return Span(task.created_at, *(math.inf if at is None else at for at in times))


def label(task: Task) -> str:
    """Return a short name: the function's, and what its resources of the form ``kind:name`` name."""
    resources = sorted([*task.exclusive, *task.shared], reverse=True)
    names = [resource.partition(":")[2] for resource in resources if ":" in resource]
    return line(f"{kind(task)} {' → '.join(names)}".rstrip())


def kind(task: Task) -> str:
    """Return the last part of the task's name: its function."""
    return task.name.rpartition(".")[2]


def links(history: Iterable[Task]) -> Iterator[Link]:
    """Yield, for each request that others stood before, the one before it that ended last, or has not ended yet."""
    last_any: dict[str, Task] = {}
    last_exclusive: dict[str, Task] = {}
    for task in sorted(history, key=_ticket):
        for resource in (*task.exclusive, *task.shared):
            earlier = (last_any if resource in task.exclusive else last_exclusive).get(resource)
            if earlier is not None:
                yield Link(resource, earlier, task)
        for resource in (*task.exclusive, *task.shared):
            _keep_later(last_any, resource, task)
        for resource in task.exclusive:
            _keep_later(last_exclusive, resource, task)


def waits(history: Iterable[Task]) -> dict[str, Link]:
    """Return for each task that had to wait, by id, the link to the one that let it go, or still holds it up."""
    found: dict[str, Link] = {}
    for link in links(history):
        ended = span(link.earlier).finished
        known = found.get(link.later.id)
        if ended > link.later.created_at and (known is None or ended > span(known.earlier).finished):
            found[link.later.id] = link
    return found


def chain(history: Sequence[Task]) -> list[Link]:
    """Return the links that decided how long the whole run took, in the order of time.

    They lead back from the task that ended last to one that waited for nobody.
    """
    found, path = waits(history), list[Link]()
    last = max((task for task in history if task.finished_at is not None), key=lambda t: span(t).finished, default=None)
    while last is not None and last.id in found:
        path.append(found[last.id])
        last = path[-1].earlier
    return path[::-1]


# --- the checks


def problems(history: Sequence[Task], expected: Iterable[str] | None = None) -> list[str]:
    """Return what was wrong, one line each; empty if all is well.

    Checked: each task of ``expected`` (ids) is there once and completed, its times are in order, and no two conflicting
    tasks overlapped or overtook each other.
    """
    return [*_wrong_tasks(history, expected), *_wrong_times(history), *overlaps(history)]


def overlaps(history: Iterable[Task]) -> list[str]:
    """Return a line for each task that was ready or running before a conflicting earlier one had ended."""
    wrong = []
    for resource, earlier, later in links(history):
        first, second = span(earlier), span(later)
        if second.ready == math.inf or first.finished <= second.ready:
            continue
        if second.finished <= first.ready:
            how = f"overtook {label(earlier)}, which came before it"
        elif second.started < first.finished and first.started < second.finished:
            how = f"overlapped with {label(earlier)} by {_overlap_ms(first, second)}"
        else:
            how = f"was ready before {label(earlier)} had ended"
        wrong.append(f"{label(later)} {how}, on {line(resource)}")
    return wrong


def _wrong_tasks(history: Sequence[Task], expected: Iterable[str] | None) -> Iterator[str]:
    seen = Counter(task.id for task in history)
    yield from (f"task {task_id} is in the history {times} times" for task_id, times in seen.items() if times > 1)
    yield from (f"task {task_id} is not in the history" for task_id in expected or () if task_id not in seen)
    for task in history:
        if not task.ok:
            why = f": {task.error.get('type')}: {task.error.get('message')}" if task.error else ""
            yield f"{label(task)} is {task.state}{why}"


def _wrong_times(history: Iterable[Task]) -> Iterator[str]:
    for task in history:
        times = span(task)
        if task.final and not times.created <= times.ready <= times.started <= times.finished < math.inf:
            yield f"{label(task)} has times out of order or missing: {times._asdict()}"


def _overlap_ms(first: Span, second: Span) -> str:
    both = min(first.finished, second.finished) - max(first.started, second.started)
    return "no known end" if both == math.inf else f"{both * 1000:.1f} ms"


# --- the figures


def figures(history: Sequence[Task]) -> dict[str, Any]:
    """Return the summary of a finished history: counts, times and waits. Keys carry their units."""
    ended = [task for task in history if task.finished_at is not None]
    spans = [span(task) for task in ended]
    ready_ms = sorted((times.started - times.ready) * 1000 for times in spans)
    blocked_ms = sorted((times.ready - times.created) * 1000 for times in spans)
    busy_s = sum(times.finished - times.started for times in spans)
    begin, end = bounds(ended)
    return {
        "tasks": len(history),
        "tasks_by_state": dict(Counter(task.state for task in history)),
        "tasks_by_kind": dict(Counter(kind(task) for task in history)),
        "waited_for_others": len(waits(history)),
        "wall_s": round(end - begin, 3),
        "busy_s": round(busy_s, 3),
        "parallel": round(busy_s / (end - begin), 2) if end > begin else 0.0,
        "wait_after_ready_p50_ms": round(percentile(ready_ms, 50), 2),
        "wait_after_ready_p95_ms": round(percentile(ready_ms, 95), 2),
        "blocked_p50_ms": round(percentile(blocked_ms, 50), 2),
        "blocked_p95_ms": round(percentile(blocked_ms, 95), 2),
    }


def bounds(history: Iterable[Task]) -> tuple[float, float]:
    """Return the first and the last time that occur in the history; zeros if it is empty."""
    times = [at for task in history for at in span(task) if at < math.inf]
    return (min(times), max(times)) if times else (0.0, 0.0)


def percentile(ordered: Sequence[float], percent: float) -> float:
    """Return the smallest of the sorted values that ``percent`` of them do not exceed; 0 if there are none."""
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)] if ordered else 0.0


def _keep_later(last: dict[str, Task], resource: str, task: Task) -> None:
    known = last.get(resource)
    if known is None or span(task).finished > span(known).finished:
        last[resource] = task


def _ticket(task: Task) -> float:
    return math.inf if task.ticket is None else task.ticket
