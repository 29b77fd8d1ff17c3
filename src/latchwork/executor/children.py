"""The supervisor's end of the template and its children: starts, feeds, reads and kills them. No decisions, no waiting.

All descriptors hang on one epoll of its own, which the loop above watches as a single descriptor and then calls
:meth:`Children.pump`: for what happens a few thousand times a second that costs a fifth of registering each descriptor
with asyncio. Handlers trust what a read returns and never an event flag, since a descriptor's number may have been
closed and given to another child within one batch.

What a child writes is not trusted: a broken frame, an unknown message or a result that is not JSON is reported as
:class:`Broken` and costs only that task.
"""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from latchwork.core.plan_types import Broken, Eof, Event, Exited, SpareFailed, SpareReady, TemplateDown, TemplateUp
from latchwork.core.task import Claimed
from latchwork.errors import ExecutorError
from latchwork.executor import wire
from latchwork.executor.capture import Capture
from latchwork.executor.reports import Question, read_report
from latchwork.executor.template_process import Hello, TemplateProcess, signal_text
from latchwork.executor.workdir import Workdirs

_READ_BYTES = 64 * 1024
_EVENTS_MAX = 256
_END_MS_MAX = 1_000
_LAST_READS_MAX = 64  # a socket buffer holds less; what a fork of the task goes on writing must not keep us

OnCall = Callable[[int, Question], None]


class Child:
    """One child: its descriptors and what has been read from it but not understood yet."""

    __slots__ = (
        "answered",
        "asked",
        "capture",
        "control",
        "directory",
        "frames",
        "number",
        "outbox",
        "output",
        "pid",
        "pidfd",
    )

    def __init__(self, number: int, pid: int, control: int, output: int, pidfd: int) -> None:
        self.number = number
        self.pid = pid
        self.control = control
        self.output = output
        self.pidfd = pidfd
        self.frames = wire.Frames()
        self.directory: str | None = None  # where its task works
        self.outbox = bytearray()  # what its socket did not take yet
        self.capture = Capture()
        self.answered = False  # its outcome is here; what else it may send has no meaning
        self.asked = False  # the template will tell how it ended


class Children:
    """The template and the children of one node."""

    def __init__(
        self, command: Sequence[str], workdirs: Workdirs, on_event: Callable[[Event], None], on_call: OnCall
    ) -> None:
        """Prepare; nothing is started. ``on_event`` and ``on_call`` are called from :meth:`pump`."""
        self._command = command
        self._workdirs = workdirs
        self._on_event = on_event
        self._on_call = on_call
        self._epoll = select.epoll()
        self._template: TemplateProcess | None = None
        self._children: dict[int, Child] = {}
        self._by_fd: dict[int, Callable[[], object]] = {}
        self._numbers = 0
        self._left: list[str] = []
        self._ended: list[int] = []  # how they ended does not matter

    @property
    def hello(self) -> Hello | None:
        """What the running template has said of the app, or None."""
        return self._template.hello if self._template else None

    def fileno(self) -> int:
        """Return the descriptor that becomes readable when :meth:`pump` has something to do."""
        return self._epoll.fileno()

    def start_template(self) -> None:
        """Start the template. Raises ExecutorError if its program cannot be started."""
        self._template = TemplateProcess(self._command)
        self._watch(self._template.sock.fileno(), self._on_template)

    def fork(self, count: int) -> None:
        """Ask for ``count`` more children."""
        first = self._numbers
        self._numbers += count
        self._order("fork", range(first, self._numbers))

    def reap(self) -> None:
        """Have the processes of children that are gone removed from the process table. Each fork does it too."""
        if self._ended:
            self._order()

    def assign(self, number: int, claimed: Claimed) -> None:
        """Give the waiting child its task."""
        child = self._children.get(number)
        if child is None:  # it has died since, which is on its way as an event
            return
        try:
            child.directory = self._workdirs.take()
        except OSError as error:
            self._on_event(Broken(number, f"No working directory could be made for the task: {error}"))
            return
        head = wire.to_json([child.directory, *claimed[:5], claimed.timeout_s])
        self._send(number, wire.pack("task", f"{head}\n{claimed.payload}"))

    def reply(self, number: int, question: Question, answer: dict[str, Any]) -> None:
        """Answer a child's question with ``{"result": …}`` or ``{"error": …}``. A child that is gone is no error."""
        self._send(number, wire.pack("reply", wire.to_json({"reply": question.number, **answer})))

    def kill(self, number: int) -> None:
        """Kill the child and its process group."""
        child = self._children.get(number)
        if child:
            _kill(child)

    def close(self, number: int) -> None:
        """Forget the child, whoever holds its socket, and report its Eof."""
        child = self._children.get(number)
        if child:
            self._on_end(child)

    @property
    def untidy(self) -> bool:
        """Whether children have gone since :meth:`tidy`."""
        return bool(self._left)

    def tidy(self) -> list[str]:
        """Put back the directories of children that are gone. Return those that must be discarded."""
        left, self._left = self._left, []
        return [path for path in left if not self._workdirs.put_back(path)]

    def stop(self) -> None:
        """Kill the template and all children, and close everything. Nothing is reported any more."""
        for child in self._children.values():
            _kill(child)
        if self._template:
            self._template.end()
            self._template = None
        for child in list(self._children.values()):
            _await_end(child.pidfd)  # then nothing of it writes to its directory any more
            self._forget(child)
        self._epoll.close()

    def pump(self) -> None:
        """Handle all that has happened. Raises ConfigError if the template could not import the app."""
        for fd, _ in self._epoll.poll(0, _EVENTS_MAX):
            handler = self._by_fd.get(fd)  # None: closed by an earlier one of this batch
            if handler:
                handler()

    def _watch(self, fd: int, handler: Callable[[], object]) -> None:
        self._by_fd[fd] = handler
        self._epoll.register(fd, select.EPOLLIN)

    def _unwatch(self, fd: int) -> None:
        del self._by_fd[fd]
        self._epoll.unregister(fd)

    # --- the template

    def _order(self, word: str = "", numbers: Iterable[int] = ()) -> None:
        if self._template:
            reap = ["reap", *map(str, self._ended)] if self._ended else []
            self._ended.clear()
            self._template.order(" ".join([*reap, word, *map(str, numbers)]))

    def _on_template(self) -> None:
        assert self._template is not None
        try:
            word, rest, fds = self._template.receive()
        except BlockingIOError:
            return
        match word:
            case "":
                self._on_template_end()
            case "spare":
                number, _, pid = rest.partition(" ")
                self._add(int(number), int(pid), fds)
            case "exit":
                number, _, code = rest.partition(" ")
                self._on_event(_exited(int(number), int(code)))
            case "unforked":
                self._on_event(SpareFailed(rest.partition(" ")[2]))
            case "hello":
                self._on_event(TemplateUp())

    def _on_template_end(self) -> None:
        assert self._template is not None
        self._unwatch(self._template.sock.fileno())
        how = self._template.end()
        self._template = None
        self._ended.clear()
        for child in self._children.values():  # the kernel has killed them, but not what they have started
            _kill_group(child.pid)
        self._on_event(TemplateDown(how))

    def _add(self, number: int, pid: int, fds: list[int]) -> None:
        if len(fds) != wire.FDS_MAX:
            raise ExecutorError(
                f"no descriptors are left for child {number} ({len(self._children)} are held, three each); "
                "run fewer slots, or raise the limit (ulimit -n)"
            )
        control, output, pidfd = fds
        os.set_blocking(control, False)
        os.set_blocking(output, False)
        child = Child(number, pid, control, output, pidfd)
        self._children[number] = child
        self._watch(control, lambda: self._on_control(child))
        self._watch(output, lambda: self._on_output(child))
        self._watch(pidfd, lambda: self._on_exit(child))
        self._on_event(SpareReady(number))

    # --- a child

    def _on_control(self, child: Child) -> bool:
        """Read once from the child's socket. Return whether there may be more."""
        if child.outbox:
            self._flush(child)
        try:
            data = os.read(child.control, _READ_BYTES)
        except BlockingIOError:
            return False
        except ConnectionError:
            data = b""
        if not data:
            self._on_end(child)
        elif not child.answered:
            self._read(child, data)
        return bool(data)

    def _read(self, child: Child, data: bytes) -> None:
        try:
            for frame in child.frames.feed(data):
                report = read_report(child.number, frame)
                if isinstance(report, Question):
                    self._on_call(child.number, report)
                else:
                    child.answered = True
                    self._on_event(report)
        except ExecutorError as error:
            child.answered = True
            self._on_event(Broken(child.number, str(error)))

    def _on_output(self, child: Child) -> None:
        if not child.capture.read(child.output):
            self._unwatch(child.output)

    def _on_exit(self, child: Child) -> None:
        """The process has ended. Its socket is read to the end, unless one that it has forked holds that up."""
        self._unwatch(child.pidfd)
        for _ in range(_LAST_READS_MAX):
            if not self._on_control(child):
                break
        if child.number in self._children:
            self._ask_how(child)

    def _ask_how(self, child: Child) -> None:
        if not child.asked:
            child.asked = True
            self._order("tell", (child.number,))

    def _on_end(self, child: Child) -> None:
        child.capture.drain(child.output)
        if child.answered:
            _kill(child)  # with what the task has started and left behind
            if not child.asked:
                self._ended.append(child.number)
        else:
            self._ask_how(child)  # what is left behind is killed by the template then
        self._forget(child)
        self._on_event(Eof(child.number, child.capture.text()))

    def _forget(self, child: Child) -> None:
        del self._children[child.number]
        for fd in (child.control, child.output, child.pidfd):
            self._by_fd.pop(fd, None)
            os.close(fd)  # the epoll forgets what is closed
        if child.directory:
            self._left.append(child.directory)

    def _send(self, number: int, data: bytes) -> None:
        child = self._children.get(number)
        if child is None:
            return
        if not child.outbox:
            sent = _write(child.control, data)
            if sent == len(data):
                return
            data = data[sent:]
            self._epoll.modify(child.control, select.EPOLLIN | select.EPOLLOUT)
        child.outbox += data

    def _flush(self, child: Child) -> None:
        sent = _write(child.control, child.outbox)
        del child.outbox[:sent]
        if not child.outbox:
            self._epoll.modify(child.control, select.EPOLLIN)


def _write(fd: int, data: bytes | bytearray) -> int:
    """Write what the socket takes. If the child is gone, all: its end is noticed by reading."""
    try:
        return os.write(fd, data)
    except BlockingIOError:
        return 0
    except ConnectionError:
        return len(data)


def _kill(child: Child) -> None:
    try:
        signal.pidfd_send_signal(child.pidfd, signal.SIGKILL)
    except ProcessLookupError:  # reaped by the template, which has killed its group; the number may be another's
        return
    except PermissionError:  # it became another user's
        pass
    _kill_group(child.pid)


def _kill_group(pid: int) -> None:
    try:
        os.killpg(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):  # it has no group, or all that is left is another user's
        pass


def _await_end(pidfd: int) -> None:
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    poll.poll(_END_MS_MAX)


def _exited(number: int, code: int) -> Exited:
    if code < 0:
        return Exited(number, "ChildKilled", f"Killed by {signal_text(-code)}.")
    return Exited(number, "ChildExited", f"Task process died unexpectedly with exit code {code}.")
