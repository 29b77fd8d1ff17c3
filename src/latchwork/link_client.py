"""The client inside a task's process: the calls of an app, over the pipe to the node (``executor/link_store.py``)."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, NoReturn

from latchwork.core.task import NewTask, Task, placed
from latchwork.errors import InputError, LatchworkError, TaskNotFound, WaitTimeout
from latchwork.executor.context import Link
from latchwork.executor.link_store import LinkStore

POLL_S_FIRST, POLL_S_MAX = 0.01, 0.5


class LinkClient:
    """What code of a task can ask. Tasks it dispatches have the running task as parent."""

    def __init__(self, link: Link) -> None:
        self._store = LinkStore(link)

    def dispatch(self, tasks: Sequence[NewTask], *, again: bool = False, conn: Any = None) -> list[Task]:
        """Store the tasks. Raises InputError for a ``conn``: the node stores them, on its own connection."""
        if conn is not None:
            raise InputError("a task dispatches through its node, not on a connection of its own; leave conn out")
        stored = {row.id: row for row in self._store.dispatch(tasks, again=again)}
        return [
            placed(task, stored[task.id].ticket, stored[task.id].ready, stored[task.id].created_at) for task in tasks
        ]

    def get(self, task_id: str) -> Task:
        """Return the task as it is now. Raises TaskNotFound."""
        task = self._store.get(task_id)
        if task is None:
            raise TaskNotFound(f"no task has the id {task_id!r}, neither waiting nor in the history")
        return task

    def wait(self, ids: Sequence[str], timeout_s: float | None) -> list[Task]:
        """Return the tasks once all are final, looking at growing intervals.

        It holds this task's slot and locks meanwhile: a task that needs those never becomes final. Raises WaitTimeout.
        """
        limit = None if timeout_s is None else time.monotonic() + timeout_s
        delay_s = POLL_S_FIRST
        while left := set(ids).difference(self._store.final_ids(ids)):
            if limit is not None and time.monotonic() >= limit:
                raise WaitTimeout(f"{len(left)} of {len(ids)} tasks were not final after {timeout_s} s")
            for task_id in left:
                self.get(task_id)
            time.sleep(delay_s)
            delay_s = min(2 * delay_s, POLL_S_MAX)
        return [self.get(task_id) for task_id in ids]

    def cancel(self, task_id: str, reason: str | None = None) -> Task:
        """Cancel the task and return it as it is then. Raises TaskNotFound."""
        if self._store.cancel(task_id, reason) is None:
            raise TaskNotFound(f"no task has the id {task_id!r}, neither waiting nor in the history")
        return self.get(task_id)

    def tasks(self, **filters: Any) -> list[Task]:
        """Return tasks, newest first."""
        return self._store.tasks(**filters)

    def counts(self) -> NoReturn:
        """Not for tasks."""
        raise _not_here("counts")

    def locks(self, _resource: str | None = None, _limit: int = 1_000) -> NoReturn:
        """Not for tasks."""
        raise _not_here("locks")

    def apps(self) -> NoReturn:
        """Not for tasks."""
        raise _not_here("workers")

    def close(self) -> None:
        """The link belongs to the process; there is nothing to close."""


class AsyncLinkClient:
    """``LinkClient`` for async tasks. Each call blocks for one short round trip to the node."""

    def __init__(self, link: Link) -> None:
        self._client = LinkClient(link)

    async def dispatch(self, tasks: Sequence[NewTask], *, again: bool = False, conn: Any = None) -> list[Task]:
        """Store the tasks."""
        return self._client.dispatch(tasks, again=again, conn=conn)

    async def get(self, task_id: str) -> Task:
        """Return the task as it is now. Raises TaskNotFound."""
        return self._client.get(task_id)

    async def wait(self, ids: Sequence[str], timeout_s: float | None) -> list[Task]:
        """Return the tasks once all are final, without blocking the event loop."""
        import asyncio

        return await asyncio.to_thread(self._client.wait, ids, timeout_s)

    async def cancel(self, task_id: str, reason: str | None = None) -> Task:
        """Cancel the task."""
        return self._client.cancel(task_id, reason)

    async def tasks(self, **filters: Any) -> list[Task]:
        """Return tasks, newest first."""
        return self._client.tasks(**filters)

    async def close(self) -> None:
        """Nothing to close."""


def _not_here(what: str) -> LatchworkError:
    return LatchworkError(f"{what} is not answered inside a task; ask from outside, or with `latchwork {what}`")
