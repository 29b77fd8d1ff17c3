"""The store inside a task's process: the same calls, answered by the node on its own connection.

A child needs no database connection of ours. The node decides what it answers (``node/engine.py``); what it does not
know comes back as an error that says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from latchwork.core.task import NewTask, Task
from latchwork.db.records import Stored, task_from_wire, tasks_json
from latchwork.executor.context import Link


class LinkStore:
    """What a task may ask of the database through its node. Blocks for one round trip a call."""

    def __init__(self, link: Link) -> None:
        self._link = link

    def dispatch(self, tasks: Sequence[NewTask], *, again: bool = False) -> list[Stored]:
        """Store tasks; the running task is their parent. Raises as the store does."""
        rows = self._link.call("dispatch", {"tasks": tasks_json(tasks), "again": again})
        return [Stored(*row) for row in rows]

    def get(self, task_id: str) -> Task | None:
        """Return the task, or None."""
        row = self._link.call("get", {"id": task_id})
        return None if row is None else task_from_wire(row)

    def final_ids(self, ids: Sequence[str]) -> list[str]:
        """Return which of ``ids`` are final."""
        found: list[str] = self._link.call("final_ids", {"ids": list(ids)})
        return found

    def cancel(self, task_id: str, reason: str | None = None) -> str | None:
        """Cancel a task; return its state afterwards, or None if there is none."""
        state: str | None = self._link.call("cancel", {"id": task_id, "reason": reason})
        return state

    def tasks(self, **filters: Any) -> list[Task]:
        """Return tasks, newest first."""
        return [task_from_wire(row) for row in self._link.call("tasks", filters)]
