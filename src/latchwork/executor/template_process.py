"""The template as its supervisor sees it: one process, one socket, its messages."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from typing import Any, NamedTuple

from latchwork.errors import ConfigError, ExecutorError
from latchwork.executor import wire

_END_S = 1.0


class Hello(NamedTuple):
    """What the template says of the app it has imported."""

    names: tuple[str, ...]  # of its tasks
    dsn: str | None
    schema: str
    warnings: tuple[str, ...]  # what the app does when imported that tasks will feel


def template_command(target: str) -> list[str]:
    """Return the command of a template for ``MODULE:APP``, looked for in the current folder first."""
    return [sys.executable, "-m", "latchwork.executor.template", target]


class TemplateProcess:
    """A running template."""

    def __init__(self, command: Sequence[str]) -> None:
        """Start it. Raises ExecutorError if it cannot be started."""
        self.sock, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            # A session of its own: Ctrl-C in the terminal is for the supervisor alone.
            try:
                self._process = subprocess.Popen(  # noqa: S603  the command is the operator's
                    [*command, str(theirs.fileno())],
                    stdin=subprocess.DEVNULL,
                    pass_fds=[theirs.fileno()],
                    env={**os.environ, wire.EARLY_BINDING: "1"},
                    start_new_session=True,
                )
            except OSError as error:
                self.sock.close()
                raise ExecutorError(
                    f"the template could not be started: {error} (command: {' '.join(command)})"
                ) from None
        self.sock.setblocking(False)
        self._names: list[str] = []
        self.hello: Hello | None = None

    def order(self, text: str) -> None:
        """Send an order. That the template is gone is noticed by reading, not here."""
        try:
            wire.send_message(self.sock, text)
        except ConnectionError:
            pass

    def receive(self) -> tuple[str, str, list[int]]:
        """Return its next message as word, rest and descriptors; the word is empty if it is gone.

        What it says of the app is also kept, in ``hello``. Raises BlockingIOError if nothing has come yet, ConfigError
        if it could not import the app.
        """
        try:
            message, fds = wire.receive_message(self.sock)
        except ConnectionError:
            return "", "", []
        word, _, rest = message.partition(" ")
        if word == "names":
            self._names += wire.from_json(rest)
        elif word == "hello":
            about: dict[str, Any] = wire.from_json(rest)
            self.hello = Hello(tuple(self._names), about["dsn"], about["schema"], tuple(about["warnings"]))
        elif word == "error":
            raise ConfigError(rest)
        return word, rest, fds

    def end(self) -> str:
        """Kill the template, with it all its children, and return how it ended, as a sentence."""
        self.sock.close()
        self._process.kill()  # without effect on its status if it has ended by itself
        try:
            code = self._process.wait(_END_S)
        except subprocess.TimeoutExpired:
            return f"Template process {self._process.pid} is killed but does not end; it hangs in a system call."
        if code < 0:
            return f"The template was killed by {signal_text(-code)}."
        return f"The template exited with code {code}."


def signal_text(number: int) -> str:
    """Return ``signal 9 (SIGKILL)`` for 9."""
    try:
        return f"signal {number} ({signal.Signals(number).name})"
    except ValueError:  # a real-time signal has no name
        return f"signal {number}"
