"""What is kept of an exception: its type, its message, its traceback as text. No locals, no objects, bounded.

The code of the exception is not trusted: its ``__str__`` may raise, its text may be huge or hold what PostgreSQL
cannot.
"""

from __future__ import annotations

import traceback
from types import TracebackType

MESSAGE_CHARS_MAX = 8 * 1024
TRACEBACK_CHARS_MAX = 64 * 1024


def describe(error: BaseException, skip_frames: int = 0) -> dict[str, str]:
    """Return ``{"type", "message", "traceback"}`` of ``error``, leaving out its first ``skip_frames`` frames."""
    return {"type": type_name(type(error)), "message": _message(error), "traceback": _traceback(error, skip_frames)}


def reason(kind: str, message: str) -> dict[str, str]:
    """Return the same shape for a failure that is not an exception of the task's code."""
    return {"type": kind, "message": shorten(clean(message), MESSAGE_CHARS_MAX), "traceback": ""}


def type_name(kind: type[BaseException]) -> str:
    """Return ``module.Qualified.Name``, without the module for built-in ones."""
    module = getattr(kind, "__module__", None)
    name = kind.__qualname__
    return clean(name if module in (None, "builtins", "__main__") else f"{module}.{name}")


def clean(text: str) -> str:
    """Return ``text`` as PostgreSQL can hold it: NUL and lone surrogates become U+FFFD."""
    if text.isascii() and "\0" not in text:
        return text
    return text.replace("\0", "\ufffd").encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def shorten(text: str, chars_max: int) -> str:
    """Return ``text``, or its head and its tail with the number of characters between them that were dropped."""
    if len(text) <= chars_max:
        return text
    half = chars_max // 2
    return f"{text[:half]}\n… {len(text) - 2 * half} characters dropped …\n{text[-half:]}"


def _message(error: BaseException) -> str:
    try:
        text = str(error)
    except BaseException as second:  # noqa: BLE001  whatever it is: the task has failed already, by the first one
        text = f"<no text: {type_name(type(error))}.__str__ raised {type_name(type(second))}>"
    return shorten(clean(text), MESSAGE_CHARS_MAX)


def _traceback(error: BaseException, skip_frames: int) -> str:
    frames: TracebackType | None = error.__traceback__
    for _ in range(skip_frames):
        frames = frames.tb_next if frames else None
    try:
        text = "".join(traceback.format_exception(type(error), error, frames))
    except BaseException as second:  # noqa: BLE001  as above; MemoryError and RecursionError are likely
        text = f"<no traceback: formatting it raised {type_name(type(second))}>"
    return shorten(clean(text), TRACEBACK_CHARS_MAX)
