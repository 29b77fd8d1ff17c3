"""DSNs: what PostgreSQL takes, and ``embedded:FOLDER`` for the built-in server.

The hold on an embedded server lives as long as the process (``db/embedded`` says how it ends), one a folder.
"""

from __future__ import annotations

from pathlib import Path
from threading import Lock

from latchwork.db.embedded import Embedded

EMBEDDED = "embedded:"
_held: dict[str, Embedded] = {}
_lock = Lock()


def open_dsn(dsn: str) -> str:
    """Return the DSN to connect to, starting the embedded server if ``dsn`` asks for one.

    Raises ConfigError or DatabaseUnavailable if that server can't be started.
    """
    if not dsn.startswith(EMBEDDED):
        return dsn
    folder = str(Path(dsn.removeprefix(EMBEDDED)).absolute())
    with _lock:
        if folder not in _held or not _held[folder].is_held():  # the server has ended, or this is a fork
            _held[folder] = Embedded.start(folder)
        return _held[folder].dsn


def release_dsn(dsn: str) -> None:
    """Let go of the embedded server that ``dsn`` asked for, if this process holds it."""
    folder = str(Path(dsn.removeprefix(EMBEDDED)).absolute())
    with _lock:
        held = _held.pop(folder, None)
    if held is not None:
        held.close()
