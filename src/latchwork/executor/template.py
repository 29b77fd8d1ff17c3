"""The template: imports the user's app once and forks a child for each task. ``python -m latchwork.executor.template``.

Promises: it has one thread (unless the app starts some when imported, which is reported); it holds no connection
to the database; it never runs a task itself; it ends with its supervisor, and its children end with it, with all
processes of their groups. Should it be killed itself, the kernel kills the children.

A fork costs what it copies and what is touched afterwards, so this process stays small: 0.5 ms a fork with a lean
interpreter, 0.9 ms as soon as ``threading`` is imported, 1.3 ms with ``asyncio``, 2.1 ms with a driver and pydantic.
Nothing here may import those; what the app imports is the user's to decide.

Messages to the supervisor: ``names [...]`` in pieces, then ``hello {...}`` or ``error text``; for each child asked for
``spare NUMBER PID`` with its socket, the reading end of its output and a pidfd, or ``unforked NUMBER why``; and
``exit NUMBER CODE``. From it, in one message or several: ``fork NUMBER...``; ``reap NUMBER...`` for children whose end
is known, at leisure; ``tell NUMBER...`` for those whose exit code is asked for. So no signal is needed to learn that a
child has ended, and handlers for it need not be undone in each child.
"""

from __future__ import annotations

import ctypes
import gc
import importlib
import os
import select
import signal
import socket
import stat
import sys
import traceback
from typing import TYPE_CHECKING, Any, NoReturn

from latchwork.errors import ConfigError
from latchwork.executor import child, context, stop_signals, wire
from latchwork.executor.failure import clean, shorten, type_name

if TYPE_CHECKING:
    from latchwork.core.registry import Registry

NAMES_PER_MESSAGE = 50
ERROR_CHARS_MAX = 8 * 1024
TRACEBACK_LINES = 12
REHEARSALS = 20  # the interpreter specialises a function after some calls; later each child would do it anew

_PR_SET_PDEATHSIG = 1
_SIGKILL = int(signal.SIGKILL)
_TELL_MS = 1  # how often to look again for a child whose end is expected
_REAP_MS = 50
_prctl = ctypes.CDLL(None).prctl


def main(target: str, fd: int) -> NoReturn:
    """Serve the supervisor at the other end of the socket ``fd`` with children that run the tasks of ``target``."""
    sock = socket.socket(fileno=fd)
    sock.set_inheritable(False)
    os.environ.pop(wire.EARLY_BINDING, None)  # it was for this process, not for the programs of tasks
    die_with_parent()
    try:
        app = load(target)
    except ConfigError as error:
        wire.send_message(sock, "error " + shorten(clean(str(error)), ERROR_CHARS_MAX))
        os._exit(1)
    registry: Registry = app.registry
    names = list(registry.names())
    for start in range(0, len(names), NAMES_PER_MESSAGE):
        wire.send_message(sock, "names " + wire.to_json(names[start : start + NAMES_PER_MESSAGE]))
    if any(registry.get(name).is_async for name in names):
        importlib.import_module("asyncio")  # here once, not in each child
    warnings = disarm(sock)
    wire.send_message(sock, "hello " + wire.to_json({"dsn": app.dsn, "schema": app.schema, "warnings": warnings}))
    gc.collect()
    rehearse()
    gc.freeze()
    Forker(sock, registry.get).serve()


def load(target: str) -> Any:
    """Import ``MODULE:APP`` and return the app. Raises ConfigError saying what is wrong and what to do."""
    module_name, colon, attribute = target.partition(":")
    if not (module_name and colon and attribute):
        raise ConfigError(f"{target!r} is not MODULE:APP; write, for example, myproject.tasks:app")
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name and (module_name == error.name or module_name.startswith(error.name + ".")):
            raise ConfigError(
                f"there is no module {error.name!r} in {os.getcwd()} or on the Python path; "  # noqa: PTH109  as below
                "start the node in the folder that holds it, install it, or set PYTHONPATH"
            ) from None
        raise _import_failed(module_name, error) from None
    except BaseException as error:  # noqa: BLE001  SystemExit too: it is the app that ended, not we
        raise _import_failed(module_name, error) from None
    app = getattr(module, attribute, None)
    if app is None:
        raise ConfigError(f"the module {module_name!r} has no {attribute!r}; write MODULE:APP with the name of its App")
    if not all(hasattr(app, name) for name in ("registry", "dsn", "schema")):
        raise ConfigError(
            f"{target!r} is {'a class' if isinstance(app, type) else f'of type {type(app).__name__}'}, "
            "not a latchwork App; name the object that App(...) returned"
        )
    return app


def _import_failed(module_name: str, error: BaseException) -> ConfigError:
    try:
        lines = "".join(traceback.format_exception(error)).rstrip().splitlines()[-TRACEBACK_LINES:]
    except Exception as second:  # noqa: BLE001  the app's own exception classes are involved
        lines = [f"<no traceback: formatting it raised {type_name(type(second))}>"]
    return ConfigError(
        f"importing {module_name!r} failed with {type_name(type(error))}; mend the module. The end of its traceback:\n"
        + "\n".join(lines)
    )


def die_with_parent() -> None:
    """Have the kernel kill this process when its parent's thread ends, however it ends."""
    _prctl(_PR_SET_PDEATHSIG, _SIGKILL)


def disarm(own: socket.socket) -> list[str]:
    """Take from this process what children must not inherit. Return warnings about what cannot be taken.

    A socket that the app has opened when imported (most likely to a database) would be shared by all children, which
    breaks its protocol. Its descriptor is pointed at a dead socket and not closed: a later file would get the number.
    """
    warnings = []
    dead, other = socket.socketpair()
    other.close()
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208  pathlib would cost every fork
        fd = int(name)
        if fd > 2 and fd not in (own.fileno(), dead.fileno()) and _is_socket(fd):
            os.dup2(dead.fileno(), fd, inheritable=False)
            warnings.append("the app opens a socket when it is imported; tasks find it closed. Open it in the task")
    dead.close()
    threads = len(os.listdir("/proc/self/task"))  # noqa: PTH208  pathlib would cost every fork
    if threads > 1:
        warnings.append(
            f"the app starts {threads - 1} threads when it is imported; tasks are forked and may hang on a lock that "
            "such a thread held. Start threads in the task"
        )
    stop_signals.swallow()
    return sorted(set(warnings))


def _is_socket(fd: int) -> bool:
    try:
        return stat.S_ISSOCK(os.fstat(fd).st_mode)
    except OSError:  # the descriptor that listed the others
        return False


def rehearse() -> None:
    """Run what a child runs, with a task that does nothing."""
    ours, theirs = socket.socketpair()
    channel = wire.Channel(theirs.fileno())
    for _ in range(REHEARSALS):
        ours.sendall(child.REHEARSAL)
        child.serve(channel, lambda _name: child.Nothing)
        ours.recv(wire.MESSAGE_BYTES_MAX)
    context.leave()
    ours.close()
    theirs.close()


class Forker:
    """Forks on request and tells how children ended. Only their parent can learn that."""

    def __init__(self, sock: socket.socket, find: child.Find) -> None:
        self._sock = sock
        self._find = find
        self._pid = os.getpid()
        self._pids: dict[int, int] = {}  # the child's number -> its process
        self._reap: list[int] = []  # these have ended, or are about to
        self._tell: list[int] = []  # of these the supervisor waits for the exit code

    def serve(self) -> NoReturn:
        """Do what the supervisor asks until it is gone."""
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        _prctl(_PR_SET_PDEATHSIG, 0)  # from here on the end of the socket tells, and leaves time to end the children
        poll = select.poll()
        poll.register(self._sock, select.POLLIN)
        try:
            while True:
                if not (self._tell or self._reap) or poll.poll(_TELL_MS if self._tell else _REAP_MS):
                    self._obey()
                self._reap = [number for number in self._reap if not self._reaped(number)]
                self._tell = [number for number in self._tell if not self._told(number)]
        except ConnectionError:
            self._end()

    def _end(self) -> NoReturn:
        """The supervisor is gone: end all children with what they have started."""
        for pid in self._pids.values():
            _kill_group(pid)
        os._exit(0)

    def _obey(self) -> None:
        words = self._sock.recv(wire.MESSAGE_BYTES_MAX).split()
        if not words:
            self._end()
        order = b""
        for word in words:
            if word.isalpha():
                order = word
            elif order == b"fork":
                self._try_fork(int(word))
            elif order == b"reap":
                self._reap.append(int(word))
            else:
                self._tell.append(int(word))

    def _try_fork(self, number: int) -> None:
        try:
            self._fork(number)
        except ConnectionError:  # the supervisor is gone
            raise
        except OSError as error:  # no process, memory or descriptor to be had
            wire.send_message(self._sock, f"unforked {number} {error}")

    def _fork(self, number: int) -> None:
        ours, theirs = socket.socketpair()
        output, output_write = os.pipe()
        try:
            pid = os.fork()
            if pid == 0:
                self._become_child(ours, theirs, output, output_write)
            self._pids[number] = pid
            pidfd = os.pidfd_open(pid)  # it is not reaped yet, so the number is still its own
            wire.send_message(self._sock, f"spare {number} {pid}", (ours.fileno(), output, pidfd))
            os.close(pidfd)
        finally:  # before the next fork: a child that held them would keep end of file from its siblings
            ours.close()
            theirs.close()
            os.close(output)
            os.close(output_write)

    def _become_child(self, ours: socket.socket, theirs: socket.socket, output: int, output_write: int) -> NoReturn:
        try:
            die_with_parent()
            if os.getppid() != self._pid:  # the template died before the line above
                os._exit(child.EXIT_BROKEN)
            for fd in (self._sock.fileno(), ours.fileno(), output):  # their objects are never touched again here
                os.close(fd)
            child.run(theirs.fileno(), output_write, self._find)
        finally:
            os._exit(child.EXIT_BROKEN)

    def _reaped(self, number: int) -> bool:
        pid = self._pids[number]
        if os.waitpid(pid, os.WNOHANG)[0] == 0:
            return False
        del self._pids[number]
        return True

    def _told(self, number: int) -> bool:
        pid = self._pids[number]
        if os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            return False
        _kill_group(pid)  # what it left behind
        _, status = os.waitpid(pid, 0)
        del self._pids[number]
        wire.send_message(self._sock, f"exit {number} {os.waitstatus_to_exitcode(status)}")
        return True


def _kill_group(pid: int) -> None:
    """Kill the process group of a child that is not reaped yet, so that the number is still its own."""
    try:
        os.killpg(pid, _SIGKILL)
    except (ProcessLookupError, PermissionError):  # it has no group yet, or all that is left is another user's
        pass


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
