"""What the code of a task can know about itself: the task it runs, and the way to ask the supervisor.

A child runs one task, so both are plain values of the process, the same in all its threads.
"""

from __future__ import annotations

import os
from _thread import allocate_lock  # importing threading would cost every fork 0.4 ms
from collections.abc import Mapping
from typing import Any

from latchwork import errors
from latchwork.core.task import Claimed
from latchwork.errors import LatchworkError, PayloadError
from latchwork.executor import wire


class Link:
    """The child's way to the database: questions over its socket, answered by the supervisor on its connection."""

    def __init__(self, channel: wire.Channel, pid: int) -> None:
        self._channel = channel
        self._pid = pid
        self._lock = allocate_lock()
        self._number = 0

    def call(self, method: str, params: Mapping[str, Any]) -> Any:
        """Ask the node to do ``method`` for the current task and return its answer; blocks for one round trip.

        Raises the error of :mod:`latchwork.errors` that the node met, PayloadError if ``params`` are not JSON, and
        LatchworkError in a process that the task has forked: only the task's own process is linked to the node.
        """
        if os.getpid() != self._pid:
            raise LatchworkError(
                f"{method}: process {os.getpid()} was forked by the task and has no link to the node; "
                f"call it in the task's own process {self._pid}"
            )
        with self._lock:
            self._number += 1
            try:
                frame = wire.pack("call", wire.to_json([self._number, method, params]))
            except (ValueError, TypeError) as error:
                raise PayloadError(f"{method}: the parameters are not JSON: {error}") from None
            self._channel.send(frame)
            reply = self._receive(method)
        if "error" in reply:
            raise _rebuild(reply["error"])
        return reply["result"]

    def _receive(self, method: str) -> dict[str, Any]:
        while (frame := self._channel.receive()) is not None:
            reply: dict[str, Any] = wire.from_json(frame.decode().removeprefix("reply "))
            if reply["reply"] == self._number:  # an older one was given up by an exception from a signal handler
                return reply
        raise LatchworkError(f"{method}: the node is gone, and this task with it")


def _rebuild(error: Mapping[str, str]) -> LatchworkError:
    kind = getattr(errors, error["type"], LatchworkError)
    if not (isinstance(kind, type) and issubclass(kind, LatchworkError)):
        kind = LatchworkError
    return kind(error["message"])


class CurrentTask:
    """The task that this process runs. Reading it elsewhere raises LatchworkError."""

    __slots__ = ()

    @property
    def id(self) -> str:
        """The id of the task."""
        return _claimed().id

    @property
    def name(self) -> str:
        """The name it is registered under."""
        return _claimed().name

    @property
    def attempt(self) -> int:
        """Which try this is, from 1 on."""
        return _claimed().attempt

    @property
    def token(self) -> str:
        """The proof of this claim; new for each attempt."""
        return _claimed().token

    @property
    def ticket(self) -> int:
        """The task's place in the order of its resources."""
        return _claimed().ticket

    def __repr__(self) -> str:
        return f"<current task {_state.claimed.id}>" if _state.claimed else "<current task: none>"


class _State:
    __slots__ = ("channel", "claimed", "link", "pid")

    def __init__(self) -> None:
        self.claimed: Claimed | None = None
        self.channel: wire.Channel | None = None
        self.pid = 0
        self.link: Link | None = None


_state = _State()
current_task = CurrentTask()


def enter(claimed: Claimed, channel: wire.Channel) -> None:
    """Make ``claimed`` the current task of this process."""
    _state.claimed = claimed
    _state.channel = channel
    _state.pid = os.getpid()


def leave() -> None:
    """Forget the current task."""
    _state.claimed = _state.channel = _state.link = None


def link() -> Link | None:
    """Return the link to the node, or None outside a task's process."""
    if _state.link is None and _state.channel is not None:
        _state.link = Link(_state.channel, _state.pid)
    return _state.link


def _claimed() -> Claimed:
    if _state.claimed is None:
        raise LatchworkError("there is no current task here; current_task can be read only while a task runs")
    return _state.claimed
