"""How values become text for people and for programs. Data of tasks is shown, never obeyed: what a terminal could take
as a command is written as an escape.
"""

from __future__ import annotations

from datetime import UTC, datetime

_UNITS = ((86_400.0, "d"), (3_600.0, "h"), (60.0, "min"))


def line(text: str) -> str:
    """Return the text on one line, with everything that is not printable written as an escape."""
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)


def block(text: str) -> str:
    """Return the text with its line breaks, tabs as spaces, and other unprintable letters written as escapes."""
    return "\n".join(line(part) for part in text.replace("\r\n", "\n").expandtabs(4).split("\n"))


def duration(seconds: float | None) -> str:
    """Return a length of time in one unit, short: ``3 ms``, ``12 s``, ``5 min``, ``2 d``. A dash for None."""
    if seconds is None:
        return "–"
    seconds = max(0.0, seconds)  # another machine's clock may be ahead of ours
    for size, unit in _UNITS:
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    if seconds >= 0.9995:
        return f"{seconds:.1f} s" if seconds < 9.95 else f"{seconds:.0f} s"
    return f"{seconds * 1000:.0f} ms"


def iso(at: float | None) -> str | None:
    """Return a time, seconds since the epoch, as ISO 8601 in UTC with microseconds. None stays None."""
    if at is None:
        return None
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
