"""One task as text: a line of the list, the whole of it, and JSON. Pure functions."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from rich.text import Text

from latchwork.cli.output import styled
from latchwork.cli.text import block, duration, iso, line
from latchwork.core.payload import decode_arguments
from latchwork.core.task import Task
from latchwork.errors import PayloadError

LABEL_COLUMNS = 12
CLOCK_COLUMNS = 32


class Waits(NamedTuple):
    """How long a task waited and ran, in seconds. None: that has not begun."""

    locks_s: float | None  # dispatched until it held all its locks, or until now
    slot_s: float | None  # ready until it started
    run_s: float | None


class Summary(NamedTuple):
    """One line of the list."""

    state: str
    age: str
    waited: str
    ran: str
    locks: str


def state_of(task: Task) -> str:
    """Return the state, ``waiting`` told apart as blocked and ready."""
    return "blocked" if task.blocked else "ready" if task.ready else task.state


def waits(task: Task, now: float) -> Waits:
    """Return the waits of the task until now, or until its end. ``now``: seconds since the epoch."""
    end = now if task.finished_at is None else task.finished_at
    created, ready, started = task.created_at, task.unblocked_at, task.started_at
    return Waits(
        locks_s=max(0.0, (end if ready is None else ready) - created),
        slot_s=None if ready is None else max(0.0, (end if started is None else started) - ready),
        run_s=None if started is None else max(0.0, end - started),
    )


def summary(task: Task, now: float) -> Summary:
    """Return the words for one line."""
    times = waits(task, now)
    return Summary(
        state=state_of(task),
        age=duration(now - task.created_at),
        waited=duration((times.locks_s or 0.0) + (times.slot_s or 0.0)),
        ran=duration(times.run_s),
        locks="; ".join(
            f"{mode} {', '.join(names)}"
            for mode, names in (("exclusive", task.exclusive), ("shared", task.shared))
            if names
        ),
    )


def as_json(task: Task, now: float) -> dict[str, Any]:
    """Return the task for ``--json``: its fields, times as ISO 8601 UTC, the arguments taken apart, and the waits."""
    fields = task._asdict()
    args, kwargs = _call(fields.pop("payload"))
    for name in ("created_at", "unblocked_at", "started_at", "finished_at"):
        fields[name] = iso(fields[name])
    fields["waits"] = {key: None if s is None else round(s, 6) for key, s in waits(task, now)._asdict().items()}
    return {**fields, "args": args, "kwargs": kwargs}


def _call(payload: str | None) -> tuple[list[Any] | None, dict[str, Any] | None]:
    """Return args and kwargs; None for both if another client stored what no node can call."""
    try:
        return decode_arguments(payload or "")
    except PayloadError:
        return None, None


def detail(task: Task, now: float) -> Iterator[Text]:
    """Yield the lines that tell everything about the task, for people."""
    yield Text.assemble((task.id, "bold"), "  ", styled(state_of(task)))
    for label, value in _facts(task):
        yield from _labelled(label, "–" if value is None else block(value))
    yield Text()
    for label, at, between in _times(task, now):
        clock = "–" if at is None else (iso(at) or "").replace("T", " ").replace("Z", " UTC")
        yield from _labelled(label, f"{clock:<{CLOCK_COLUMNS}}{between}".rstrip())
    for title, text, style in _texts(task):
        yield Text()
        yield Text(title, style="bold")
        yield from (Text(f"  {part}".rstrip(), style=style) for part in block(text).split("\n"))


def _labelled(label: str, value: str) -> Iterator[Text]:
    first, *others = value.split("\n")
    yield Text.assemble((label.ljust(LABEL_COLUMNS), "dim"), first)
    yield from (Text(" " * LABEL_COLUMNS + other) for other in others)


def _facts(task: Task) -> list[tuple[str, str | None]]:
    return [
        ("name", line(task.name)),
        ("arguments", _arguments(task.payload)),
        ("exclusive", _listed(task.exclusive)),
        ("shared", _listed(task.shared)),
        ("attempt", str(task.attempt) if task.attempt else "not started yet"),
        ("priority", str(task.priority)),
        ("timeout", None if task.timeout_s is None else f"{task.timeout_s:g} s"),
        ("ticket", None if task.ticket is None else str(task.ticket)),
        ("node", task.node),
        ("parent", task.parent),
    ]


def _listed(names: Iterable[str]) -> str | None:
    return "\n".join(map(line, names)) or None


def _arguments(payload: str | None) -> str | None:
    """Return the arguments as they would stand in a call, in JSON."""
    args, kwargs = _call(payload)
    if args is None or kwargs is None:
        return payload
    return ", ".join([*map(_json, args), *(f"{key}={_json(value)}" for key, value in kwargs.items())]) or "none"


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _times(task: Task, now: float) -> Iterator[tuple[str, float | None, str]]:
    """Yield the steps that were made with their times and what lay before each, and the one that is awaited."""
    times = waits(task, now)
    steps = (
        ("dispatched", task.created_at, f"{duration(now - task.created_at)} ago"),
        ("ready", task.unblocked_at, f"waited {duration(times.locks_s)} for locks"),
        ("started", task.started_at, f"waited {duration(times.slot_s)} for a slot"),
    )
    for label, at, before in steps:
        if at is None:
            yield (task.state, task.finished_at, before) if task.final else (label, None, f"{before} so far")
            return
        yield label, at, before
    ran = f"ran {duration(times.run_s)}"
    yield (task.state, task.finished_at, ran) if task.final else ("ended", None, f"{ran} so far")


def _texts(task: Task) -> list[tuple[str, str, str]]:
    """Return the long texts that there are: title, text, style."""
    texts: list[tuple[str, str, str]] = []
    if task.ok:
        texts.append(("result", json.dumps(task.result, indent=2, ensure_ascii=False), ""))
    if task.error is not None:
        trace = str(task.error.get("traceback") or "").rstrip()
        texts.append(("error", f"{task.error.get('type')}: {task.error.get('message')}", "red"))
        if trace:
            texts.append(("traceback", trace, ""))
    if task.output:
        texts.append(("output", task.output.rstrip("\n"), ""))
    return texts
