"""One task as text: a line of the list, the whole of it, and JSON. Pure functions."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, NamedTuple

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from latchwork.cli.output import styled
from latchwork.cli.text import block, duration, iso, line
from latchwork.core.task import Task

LABEL_COLUMNS = 10


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
        locks="".join([f"  {name}" for name in task.exclusive] + [f"  {name} (shared)" for name in task.shared]),
    )


def as_json(task: Task) -> dict[str, Any]:
    """Return the task for ``--json``: its fields, times as ISO 8601 UTC, the arguments and the waits taken apart."""
    fields = task._asdict()
    payload = json.loads(fields.pop("payload") or "null") or {}
    for name in ("created_at", "unblocked_at", "started_at", "finished_at"):
        fields[name] = iso(fields[name])
    return {**fields, "args": payload.get("args"), "kwargs": payload.get("kwargs")}


def detail(task: Task, now: float) -> RenderableType:
    """Return everything about the task, for people."""
    head = Text.assemble((task.id, "bold"), "  ", styled(state_of(task)))
    parts: list[RenderableType] = [head, _facts(task), Text(), _times(task, now)]
    for title, text, style in _texts(task):
        parts += [
            Text(),
            Text(title, style="bold"),
            Padding(Text(block(text), style=style, overflow="fold"), (0, 0, 0, 2)),
        ]
    return Group(*parts)


def _grid() -> Table:
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(width=LABEL_COLUMNS, no_wrap=True, style="dim")
    grid.add_column(overflow="fold")
    return grid


def _facts(task: Task) -> Table:
    grid = _grid()
    limit = None if task.timeout_s is None else f"{task.timeout_s:g} s"
    facts: list[tuple[str, str | None]] = [
        ("name", task.name),
        ("arguments", _arguments(task.payload)),
        ("exclusive", _listed(task.exclusive)),
        ("shared", _listed(task.shared)),
        ("attempt", str(task.attempt) if task.attempt else "not started yet"),
        ("priority", str(task.priority)),
        ("timeout", limit),
        ("ticket", None if task.ticket is None else str(task.ticket)),
        ("node", task.node),
        ("parent", task.parent),
    ]
    for label, value in facts:
        grid.add_row(label, Text("–" if value is None else block(value)))
    return grid


def _listed(names: Iterable[str]) -> str | None:
    return "\n".join(map(line, names)) or None


def _arguments(payload: str | None) -> str | None:
    """Return the arguments as they would stand in a call, in JSON."""
    if payload is None:
        return None
    value = json.loads(payload)
    given = [_json(item) for item in value["args"]] + [f"{key}={_json(item)}" for key, item in value["kwargs"].items()]
    return ", ".join(given) or "none"


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _times(task: Task, now: float) -> Table:
    """Return the states with their times, and what lay between them."""
    times = waits(task, now)
    until = "so far" if task.finished_at is None else "until it was canceled"
    grid = _grid()
    grid.add_column(overflow="fold")
    steps = [
        ("dispatched", task.created_at, f"{duration(now - task.created_at)} ago"),
        ("ready", task.unblocked_at, f"waited {duration(times.locks_s)} for locks"),
        ("started", task.started_at, f"waited {duration(times.slot_s)} for a slot"),
        ("ended", task.finished_at, f"ran {duration(times.run_s)}"),
    ]
    open_step = False
    for label, at, before in steps:
        if at is None and label != "ended":
            if not open_step:
                grid.add_row(label, Text("–"), Text(f"{before} {until}"))
            open_step = True
        elif at is not None:
            text = "" if label == "ended" and task.started_at is None else before
            grid.add_row(label, Text((iso(at) or "").replace("T", " ").replace("Z", " UTC")), Text(text))
        elif not open_step:
            grid.add_row(label, Text("–"), Text(f"{before} {until}"))
    return grid


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
