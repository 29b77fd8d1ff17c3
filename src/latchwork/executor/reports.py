"""What a child may tell its supervisor: questions while the task runs, then one outcome. Nothing of it is trusted."""

from __future__ import annotations

from typing import Any, NamedTuple

from latchwork.core.payload import decode
from latchwork.core.plan_types import Outcome
from latchwork.core.states import COMPLETED, FAILED
from latchwork.errors import ExecutorError
from latchwork.executor import wire
from latchwork.executor.failure import MESSAGE_CHARS_MAX, TRACEBACK_CHARS_MAX, clean, shorten

_TYPE_CHARS_MAX = 500
_MARK_CHARS = 60  # what shorten adds


class Question(NamedTuple):
    """A child asks the node to do something for its task; see :meth:`latchwork.executor.context.Link.call`."""

    number: int
    method: str
    params: dict[str, Any]


def read_report(child: int, frame: bytes) -> Question | Outcome:
    """Return what ``frame`` says. Raises ExecutorError if no child of ours would say so."""
    try:
        word, _, text = frame.decode().partition(" ")
        if word == COMPLETED:
            if text != "null":
                decode(text)
            return Outcome(child, COMPLETED, result=text)
        match word, wire.from_json(text):
            case "failed", {"type": str(kind), "message": str(message), "traceback": str(trace)}:
                return Outcome(child, FAILED, error=error_text(kind, message, trace))
            case "call", [int(number), str(method), dict(params)]:
                return Question(number, method, params)
    except ValueError as error:  # PayloadError is one
        raise ExecutorError(f"The task's process sent {frame[:40]!r}: {error}") from None
    raise ExecutorError(f"The task's process sent {frame[:40]!r}, which is no message; the task wrote to its socket.")


def error_text(kind: str, message: str, trace: str = "") -> str:
    """Return the error as the JSON text that is stored, each part within its limit."""
    return wire.to_json(
        {
            "type": shorten(clean(kind), _TYPE_CHARS_MAX),
            "message": shorten(clean(message), MESSAGE_CHARS_MAX + _MARK_CHARS),
            "traceback": shorten(clean(trace), TRACEBACK_CHARS_MAX + _MARK_CHARS),
        }
    )
