"""The child: a fresh fork of the template that runs one task and ends. Everything the task breaks ends with it.

It is forked ahead of need, makes itself at home (own session and process group, output into a pipe, dead when the
template dies), and waits on its socket for its task and a directory to run it in. It tells the outcome in one frame and
ends by ``os._exit``: no clean-up of the template's objects may run here. Threads that the task has started end with it.

End of file on the socket proves to the supervisor that no code of the task runs any more, in no thread and in no fork
that is still in the process group or holds the socket. Left to ``os._exit`` it would come after the kernel has torn
down the memory, 0.4 ms later; so a child with no thread but this one closes the socket itself, as its last act.

The function comes from the registry the app has filled. Nothing is imported because a task says so.

Each page of memory that is touched after the fork is a page fault of 3 µs, more than most of what is done here. So
the template rehearses this module before it forks, and the child once more before it has its task.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NoReturn

from latchwork.core.payload import decode_arguments, encode_result
from latchwork.core.states import COMPLETED, FAILED
from latchwork.core.task import Claimed
from latchwork.errors import PayloadError, UnknownTask
from latchwork.executor import context, stop_signals, wire
from latchwork.executor.failure import describe, reason

if TYPE_CHECKING:
    from typing import Protocol

    class Runnable(Protocol):
        """What a child needs of a task's definition."""

        @property
        def function(self) -> Callable[..., Any]:
            """The function to call."""

        @property
        def is_async(self) -> bool:
            """Whether calling it gives a coroutine."""


Find = Callable[[str], "Runnable"]  # the registry's get: raises UnknownTask

EXIT_DONE = 0
EXIT_BROKEN = 70  # EX_SOFTWARE: the child itself failed; what it printed says how

_LINKS_OF_ONE_THREAD = 3  # of /proc/self/task: ".", ".." and a directory for each thread
REHEARSAL = wire.pack("task", '[".","","","",1,1,null]\n{"args":[],"kwargs":{}}')


class Nothing:
    """A task that does nothing."""

    function = staticmethod(lambda: None)
    is_async = False


def run(control: int, output: int, find: Find) -> NoReturn:
    """Run one task in this fresh fork, then end the process. ``control`` and ``output`` are descriptors."""
    code = EXIT_BROKEN
    try:
        settle(output)
        rehearse()
        serve(wire.Channel(control), find)
        if os.stat("/proc/self/task").st_nlink == _LINKS_OF_ONE_THREAD:  # noqa: PTH116  pathlib would cost every fork
            os.close(control)
        code = EXIT_DONE
    except BaseException as error:  # noqa: BLE001  the directory or the supervisor is gone, or a bug of ours
        os.write(2, describe(error)["traceback"].encode())
    finally:
        os._exit(code)


def rehearse() -> None:
    """Do what a task will need, with one that does nothing."""
    _, claimed = _assignment(REHEARSAL[wire.HEADER_BYTES :])
    perform(claimed, lambda _name: Nothing)


def settle(output: int) -> None:
    """Make this fork a session of its own, with ``output`` as stdout and stderr."""
    os.setsid()
    stop_signals.own()
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.close(output)


def serve(channel: wire.Channel, find: Find) -> None:
    """Wait for the task, run it, send its outcome. Returns without a task if the supervisor closes the channel."""
    frame = channel.receive()
    if frame is None:
        return
    directory, claimed = _assignment(frame)
    os.chdir(directory)
    context.enter(claimed, channel)
    word, text = perform(claimed, find)
    _flush()
    channel.send(wire.pack(word, text))


def _assignment(frame: bytes) -> tuple[str, Claimed]:
    head, _, payload = frame.decode().partition("\n")
    directory, task_id, name, token, attempt, ticket, timeout_s = wire.from_json(head.removeprefix("task "))
    return directory, Claimed(task_id, name, token, attempt, ticket, payload, timeout_s)


def perform(claimed: Claimed, find: Find) -> tuple[str, str]:
    """Run the task and return its outcome: completed and its result, or failed and its error, as JSON. Never raises."""
    try:
        task = find(claimed.name)
        args, kwargs = decode_arguments(claimed.payload)
    except UnknownTask as error:
        return _failed(reason("UnknownTask", str(error)))
    except PayloadError as error:
        return _failed(reason("PayloadError", f"The arguments cannot be read: {error}"))
    try:
        value = _run_async(task.function, args, kwargs) if task.is_async else task.function(*args, **kwargs)
    except SystemExit as error:
        return _failed(describe(error, 1) | {"message": _exit_message(error.code)})
    except KeyboardInterrupt as error:
        return _failed(describe(error, 1) | {"message": "The task was interrupted by KeyboardInterrupt."})
    except BaseException as error:  # noqa: BLE001  whatever the task raises is its outcome
        return _failed(describe(error, 1))
    if value is None:  # most tasks; the encoder would touch pages for 0.2 ms
        return COMPLETED, "null"
    try:
        return COMPLETED, encode_result(value)
    except PayloadError as error:
        return _failed(reason("PayloadError", f"The result cannot be stored: {error}"))


def _run_async(function: Callable[..., Any], args: list[Any], kwargs: dict[str, Any]) -> Any:
    import asyncio  # noqa: PLC0415  the template has imported it if the app has an async task; others don't pay for it

    return asyncio.run(function(*args, **kwargs))


def _failed(error: dict[str, str]) -> tuple[str, str]:
    return FAILED, wire.to_json(error)


def _exit_message(code: object) -> str:
    shown = repr(code) if code is None or type(code) is int else type(code).__name__
    return f"The task called sys.exit({shown}); return a value or raise an exception instead."


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except Exception:  # noqa: BLE001, S110  the task may have put anything there, and its outcome counts more
            pass
