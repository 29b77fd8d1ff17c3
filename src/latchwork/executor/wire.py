"""How the supervisor, the template and the children talk. Text only; nothing here knows what the messages mean.

Supervisor and child share a stream socket. A message on it is a *frame*: four bytes of length (big endian), then that
many bytes of UTF-8. Supervisor and template share a SOCK_SEQPACKET socket: a message arrives whole or not at all, with
its descriptors.

On both a message is a word, a space, and what belongs to the word, mostly JSON. A payload or a result, which is JSON
already, stands there as it is and is not parsed or escaped on its way; and the words that each task needs carry as
little JSON as can be, because in a process that forks or was forked its encoder alone touches pages for 0.2 ms.
"""

from __future__ import annotations

import json
import os
import socket
from array import array

from latchwork.errors import ExecutorError

HEADER_BYTES = 4
# A payload may have 16 MiB; inside a JSON string each of its quotes costs one byte more, each control character five.
FRAME_BYTES_MAX = 64 * 1024 * 1024
# The kernel's default buffer of a Unix socket is 208 KiB, and a message must fit whole.
MESSAGE_BYTES_MAX = 64 * 1024
FDS_MAX = 3
# In the template's environment: have the loader look up functions at once, and not in each child that calls one first.
EARLY_BINDING = "LD_BIND_NOW"

_READ_BYTES = 64 * 1024

to_json = json.JSONEncoder(ensure_ascii=False, check_circular=False, separators=(",", ":")).encode
from_json = json.JSONDecoder().decode


def pack(word: str, text: str) -> bytes:
    """Return the message as one frame. Raises ExecutorError if it is too large, ValueError for lone surrogates."""
    data = f"{word} {text}".encode()
    if len(data) > FRAME_BYTES_MAX:
        raise ExecutorError(f"a message of {len(data)} bytes exceeds the limit of {FRAME_BYTES_MAX}; send less at once")
    return len(data).to_bytes(HEADER_BYTES, "big") + data


class Frames:
    """Cuts a stream of bytes back into the frames it was made of. Holds at most one unfinished frame."""

    __slots__ = ("_buffer",)

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """Return the frames that ``data`` completes. Raises ExecutorError for a length above the limit."""
        if not self._buffer and len(data) >= HEADER_BYTES and _length(data) == len(data) - HEADER_BYTES:
            return [data[HEADER_BYTES:]]  # nearly always: one frame, whole
        self._buffer += data
        frames: list[bytes] = []
        start = 0
        while len(self._buffer) - start >= HEADER_BYTES:
            end = start + HEADER_BYTES + _length(self._buffer, start)
            if len(self._buffer) < end:
                break
            frames.append(bytes(self._buffer[start + HEADER_BYTES : end]))
            start = end
        del self._buffer[:start]
        return frames


def _length(data: bytes | bytearray, start: int = 0) -> int:
    length = int.from_bytes(data[start : start + HEADER_BYTES], "big")
    if length > FRAME_BYTES_MAX:
        raise ExecutorError(
            f"a frame of {length} bytes was announced, the limit is {FRAME_BYTES_MAX}; the stream is broken"
        )
    return length


class Channel:
    """The child's end: blocking, one reader."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self._frames = Frames()
        self._ready: list[bytes] = []

    def receive(self) -> bytes | None:
        """Return the next frame, or None at the end of the stream."""
        while not self._ready:
            data = os.read(self.fd, _READ_BYTES)
            if not data:
                return None
            self._ready = self._frames.feed(data)
        return self._ready.pop(0)

    def send(self, frame: bytes) -> None:
        """Write one frame. Raises OSError if the supervisor is gone."""
        sent = os.write(self.fd, frame)
        while sent < len(frame):
            frame = frame[sent:]
            sent = os.write(self.fd, frame)


def send_message(sock: socket.socket, text: str, fds: tuple[int, ...] = ()) -> None:
    """Send ``text`` and copies of ``fds``. Raises OSError if the other side is gone or the text is too long."""
    rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array("i", fds))] if fds else []
    sock.sendmsg([text.encode()], rights)


def receive_message(sock: socket.socket) -> tuple[str, list[int]]:
    """Return the next message and the descriptors that came with it; ("", []) if the other side is gone.

    Raises BlockingIOError if ``sock`` does not block and nothing has come.
    """
    data, fds, _, _ = socket.recv_fds(sock, MESSAGE_BYTES_MAX, FDS_MAX, socket.MSG_CMSG_CLOEXEC)
    return data.decode(), fds
