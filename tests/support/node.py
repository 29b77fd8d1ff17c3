"""A node without a database: an engine in memory, and a supervisor in the event loop of the test."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from latchwork.core.plan_types import Settings
from latchwork.core.task import Advance, Claimed, Finish
from latchwork.errors import DatabaseUnavailable, LatchworkError
from latchwork.executor.template_process import template_command
from latchwork.node.supervisor import Supervisor

WAIT_S = 60.0  # ends a broken test; no test measures


class MemoryEngine:
    """The engine of one node, in memory: tasks are claimed in order, as many as are wanted."""

    def __init__(self) -> None:
        self.waiting: list[Claimed] = []
        self.running: dict[str, Claimed] = {}
        self.finished: dict[str, Finish] = {}
        self.names: Sequence[str] = ()
        self.journal: list[str] = []
        self.beats: list[tuple[str, int]] = []
        self.calls: list[tuple[str, str, dict[str, Any]]] = []
        self.answer: Callable[[str, dict[str, Any]], Any] = lambda method, params: {"method": method, **params}
        self.failures = 0  # so many of the next calls find no database
        self.most_running = 0
        self.changed = asyncio.Event()
        self._busy = False
        self._hint: Callable[[], None] = lambda: None
        self._count = 0

    def add(
        self, name: str, *args: Any, timeout_s: float | None = None, payload: str | None = None, **kwargs: Any
    ) -> str:
        """Make a task ready, hint, and return its id."""
        self._count += 1
        text = json.dumps({"args": args, "kwargs": kwargs}) if payload is None else payload
        task_id = f"task-{self._count}"
        self.waiting.append(Claimed(task_id, name, f"token-{self._count}", 1, self._count, text, timeout_s))
        self._hint()
        return task_id

    async def wait_for(self, condition: Callable[[], object]) -> None:
        """Wait until ``condition``, looked at after each change."""
        async with asyncio.timeout(WAIT_S):
            while not condition():
                self.changed.clear()
                await self.changed.wait()

    async def outcome(self, task_id: str) -> Finish:
        """Wait for the task's finish."""
        await self.wait_for(lambda: task_id in self.finished)
        return self.finished[task_id]

    async def _enter(self, what: str) -> None:
        assert not self._busy, "the node makes two calls at once"
        self._busy = True
        await asyncio.sleep(0)  # sleeps: gives the loop a turn, as a database would
        self._busy = False
        self.journal.append(what)
        self.changed.set()
        if self.failures:
            self.failures -= 1
            raise DatabaseUnavailable("no database here")

    async def join(self, names: Sequence[str], slots: int) -> None:
        await self._enter(f"join {slots}")
        self.names = names

    async def advance(self, finished: Sequence[Finish], want: int) -> Advance:
        await self._enter("advance")
        refused = []
        for finish in finished:
            claimed = self.running.pop(finish.id, None)
            if claimed is None or claimed.token != finish.token:
                refused.append(finish.id)
            else:
                assert finish.id not in self.finished
                self.finished[finish.id] = finish
        claims, self.waiting = self.waiting[:want], self.waiting[want:]
        self.running.update({claimed.id: claimed for claimed in claims})
        self.most_running = max(self.most_running, len(self.running))
        return Advance(tuple(claims), tuple(refused), (), None, bool(self.waiting))

    async def beat(self, state: str, running: int) -> None:
        await self._enter("beat")
        self.beats.append((state, running))

    async def leave(self) -> None:
        await self._enter("leave")

    async def call(self, claimed: Claimed, method: str, params: dict[str, Any]) -> Any:
        self.calls.append((claimed.id, method, params))
        self.changed.set()
        await asyncio.sleep(0)  # sleeps: as above
        return self.answer(method, params)

    def on_hint(self, callback: Callable[[], None]) -> None:
        self._hint = callback

    async def close(self) -> None:
        self.journal.append("close")
        self.changed.set()


class Node:
    """A supervisor in this event loop: ``async with Node(...) as node``. At the end it is stopped as by SIGTERM."""

    def __init__(self, target: str, workdir: Path, *, slots: int = 2, **settings: float) -> None:
        self.engine = MemoryEngine()
        self.workdir = workdir
        self.supervisor = Supervisor(
            lambda _hello: self.engine,
            template_command(target),
            Settings(slots=slots, **settings),
            workdir=str(workdir),
            handle_signals=False,
        )
        self._run: asyncio.Task[int] | None = None

    async def __aenter__(self) -> Node:
        self._run = asyncio.create_task(self.supervisor.run())
        await self.done_or(lambda: self.engine.journal)
        return self

    async def done_or(self, condition: Callable[[], object]) -> None:
        """Wait until ``condition``; raise what the node fails with, if it ends before."""
        assert self._run is not None
        waiter = asyncio.create_task(self.engine.wait_for(condition))
        done, _ = await asyncio.wait([waiter, self._run], return_when=asyncio.FIRST_COMPLETED)
        if waiter not in done:
            waiter.cancel()
            self._run.result()
        else:
            waiter.result()

    async def __aexit__(self, *failed: object) -> None:
        assert self._run is not None
        if self._run.done():
            return  # who waited for the end has seen how it was
        self.supervisor.stop(hard=False)
        if failed[0]:
            self._run.cancel()
            await asyncio.wait([self._run])
        else:
            await self.ended()

    async def ended(self) -> int:
        """Wait for the node's end and return its exit code."""
        assert self._run is not None
        async with asyncio.timeout(WAIT_S):
            return await asyncio.shield(self._run)

    async def run(self, name: str, *args: Any, **options: Any) -> Finish:
        """Run one task and return its finish."""
        return await self.engine.outcome(self.engine.add(name, *args, **options))

    def bases(self) -> list[Path]:
        """The directories of nodes that are there."""
        return list(self.workdir.iterdir())

    @property
    def template_pid(self) -> int:
        """The process id of the template."""
        template = self.supervisor._children._template
        assert template is not None
        return template._process.pid


async def refuse(target: str, workdir: Path) -> str:
    """Return the message with which a node for ``target`` refuses to start."""
    try:
        async with Node(target, workdir):
            raise AssertionError(f"{target} was taken for an app")
    except LatchworkError as error:
        return f"{type(error).__name__}: {error}"


def error_of(finish: Finish) -> dict[str, str]:
    """Return the error of a failed task."""
    assert finish.state == "failed", finish
    assert finish.error is not None
    error: dict[str, str] = json.loads(finish.error)
    return error


def result_of(finish: Finish) -> Any:
    """Return the result of a completed task."""
    assert finish.state == "completed", finish
    assert finish.result is not None
    return json.loads(finish.result)
