"""How a message shows a value that somebody passed: short, printable, and whatever its own repr does."""

from __future__ import annotations

CHARS_MAX = 80


def show(value: object, limit: int = CHARS_MAX) -> str:
    """Return a text of about ``limit`` characters that tells what ``value`` is."""
    if isinstance(value, (str, bytes)) and len(value) > limit:
        return f"{value[:limit]!r}…"
    try:
        text = repr(value)
    except Exception:  # noqa: BLE001 - foreign code; the message must come out all the same
        return f"<{type(value).__name__} that cannot be shown>"
    if not text.isprintable():
        text = text.encode("unicode_escape").decode()
    return text if len(text) <= 4 * limit else f"{text[:limit]}…"
