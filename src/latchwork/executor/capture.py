"""What a task writes to stdout and stderr, kept up to a limit: its head and its tail, and how much lies between."""

from __future__ import annotations

import os

from latchwork.executor.failure import clean

OUTPUT_BYTES_MAX = 64 * 1024

_READ_BYTES = 64 * 1024
_DRAIN_READS_MAX = 64  # a pipe holds 64 KiB; a process that outlived the task could fill it for ever


class Capture:
    """Reads a pipe and holds at most ``bytes_max`` of it, whatever is written."""

    __slots__ = ("_half", "_head", "_tail", "_total")

    def __init__(self, bytes_max: int = OUTPUT_BYTES_MAX) -> None:
        self._half = bytes_max // 2
        self._head = b""
        self._tail = bytearray()
        self._total = 0

    def read(self, fd: int) -> bool:
        """Read once from the non-blocking ``fd``. Return whether there may be more."""
        try:
            data = os.read(fd, _READ_BYTES)
        except BlockingIOError:
            return False
        if data:
            self.add(data)
        return bool(data)

    def drain(self, fd: int) -> None:
        """Read what the pipe holds now."""
        for _ in range(_DRAIN_READS_MAX):
            if not self.read(fd):
                return

    def add(self, data: bytes) -> None:
        """Keep ``data`` as far as there is room."""
        self._total += len(data)
        room = self._half - len(self._head)
        if room > 0:
            self._head += data[:room]
            data = data[room:]
        self._tail += data
        if len(self._tail) > self._half:
            del self._tail[: -self._half]

    def text(self) -> str | None:
        """Return what was kept as text, or None if nothing was written. Bytes that are not UTF-8 become U+FFFD."""
        if not self._total:
            return None
        dropped = self._total - len(self._head) - len(self._tail)
        if not dropped:
            return clean((self._head + self._tail).decode("utf-8", "replace"))
        head = self._head.decode("utf-8", "ignore")  # the cut may fall inside a character
        tail = bytes(self._tail).decode("utf-8", "ignore")
        return clean(f"{head}\n… {dropped} bytes dropped …\n{tail}")
