"""Rows of the database as the values of the core, and back. Shared by the async store and its sync twin."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

from latchwork.core.resource import LockSet
from latchwork.core.task import NewTask, Task


class Stored(NamedTuple):
    """The place of one dispatched task."""

    id: str
    ticket: int
    ready: bool
    created_at: float


class LockRow(NamedTuple):
    """One place in one line."""

    resource: str
    ticket: int
    mode: str  # exclusive | shared
    granted: bool
    task: str
    name: str | None
    state: str | None
    node: str | None
    unblocked_at: float | None
    started_at: float | None


class AppRow(NamedTuple):
    """One process with a record."""

    id: str
    kind: str  # node | client
    name: str
    host: str
    pid: int
    slots: int
    version: str
    tasks: list[str]
    state: str | None  # sleeping | working | draining; None before its first heartbeat
    running: int | None
    started_at: float
    heartbeat_age_s: float | None


def lock_row(row: Sequence[Any]) -> LockRow:
    """Return the row of ``list_locks`` as a value."""
    return LockRow(*row)


def app_row(row: Sequence[Any]) -> AppRow:
    """Return the row of ``list_apps`` as a value."""
    return AppRow(*row)


def task_from_row(row: Sequence[Any]) -> Task:
    """Return the row of the view ``task_page`` as a Task."""
    task = Task(*row)
    return task._replace(
        id=str(task.id),
        exclusive=tuple(task.exclusive),
        shared=tuple(task.shared),
        result=json.loads(task.result) if task.result is not None else None,
        error=json.loads(task.error) if task.error is not None else None,  # type: ignore[arg-type] # text until here
    )


def task_from_wire(fields: dict[str, Any]) -> Task:
    """Return the Task that travelled as a JSON object from the node to a task's process."""
    return Task(**{**fields, "exclusive": tuple(fields["exclusive"]), "shared": tuple(fields["shared"])})


def tasks_from_json(text: str) -> list[NewTask]:
    """Return what ``tasks_json`` wrote. Raises ValueError, KeyError or TypeError for anything else."""
    fields = json.loads(text)
    return [
        NewTask(
            id=str(task["id"]),
            name=str(task["name"]),
            payload=json.dumps(task["payload"]),
            locks=LockSet(tuple(task.get("exclusive", ())), tuple(task.get("shared", ()))),
            priority=task.get("priority", 0),
            timeout_s=task.get("timeout_s"),
            parent=task.get("parent"),
        )
        for task in fields
    ]


def tasks_json(tasks: Sequence[NewTask]) -> str:
    """Return the JSON array that the SQL function ``dispatch`` takes. The payload's text goes in as it is."""
    return "[" + ",".join(map(_task_json, tasks)) + "]"


def _task_json(task: NewTask) -> str:
    fields: dict[str, Any] = {"id": task.id, "name": task.name}
    if task.locks.exclusive:
        fields["exclusive"] = task.locks.exclusive
    if task.locks.shared:
        fields["shared"] = task.locks.shared
    if task.priority:
        fields["priority"] = task.priority
    if task.timeout_s is not None:
        fields["timeout_s"] = task.timeout_s
    if task.parent is not None:
        fields["parent"] = task.parent
    return json.dumps(fields)[:-1] + f',"payload":{task.payload}}}'
