"""JSON files that carry their own checksum and are replaced as a whole."""

from __future__ import annotations

import hashlib
import json
import os
import re
import tempfile
from pathlib import Path
from typing import Any


class CorruptError(ValueError):
    """Something on disk is not what was written."""


def check_name(name: str) -> str:
    """Return ``name`` if it can be a file name of ours, else raise ValueError: arguments do not choose paths."""
    if not re.fullmatch(r"[a-z0-9][a-z0-9._-]{0,99}", name):
        raise ValueError(f"{name!r} is no name: use 1 to 100 of a-z, 0-9, dot, dash and underscore, no dot in front")
    return name


def checksum(body: dict[str, Any]) -> str:
    """Return the SHA-256 of the canonical JSON of ``body``."""
    return hashlib.sha256(json.dumps(body, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def write_document(path: Path, body: dict[str, Any]) -> None:
    """Replace ``path`` by ``body`` and its checksum. Readers see the old or the new file, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=path.parent, prefix=".new-", delete=False) as file:
        json.dump({"checksum": checksum(body), **body}, file, indent=1)
        file.flush()
        os.fsync(file.fileno())
    Path(file.name).replace(path)


def read_document(path: Path) -> dict[str, Any]:
    """Return the body of the document. Raises CorruptError if it is not the one that was written."""
    try:
        body: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        written = body.pop("checksum")
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise CorruptError(f"{path.name} is not a document of ours: {error}") from error
    if written != checksum(body):
        raise CorruptError(f"{path.name} does not match its own checksum")
    return body
