"""The content-addressed store: each content once, under its SHA-256, whoever refers to it."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

CHUNK_BYTES = 1024 * 1024


class Content(NamedTuple):
    """What names a content."""

    sha256: str
    size: int


class Store:
    """The store below one folder."""

    def __init__(self, home: Path) -> None:
        self.root = home / "store"
        self.incoming = self.root / "incoming"

    def path(self, sha256: str) -> Path:
        """Return where the content with this digest lies, or would lie."""
        return self.root / sha256[:2] / sha256

    def has(self, content: Content) -> bool:
        """Whether the content is here, by name and size. Its bytes are checked by :meth:`is_intact`."""
        try:
            return self.path(content.sha256).stat().st_size == content.size
        except FileNotFoundError:
            return False

    def is_intact(self, content: Content) -> bool:
        """Whether the content is here and its bytes still have its digest."""
        try:
            with self.path(content.sha256).open("rb") as file:
                return digest(file) == content
        except FileNotFoundError:
            return False

    def put(self, source: Path) -> tuple[Content, bool]:
        """Store the content of a file. Return what names it, and whether it is new here."""
        with source.open("rb") as file:
            content = digest(file)
            if self.has(content):
                return content, False
            file.seek(0)
            return self._copy_in(file), True

    def _copy_in(self, file: BinaryIO) -> Content:
        """Copy under a name of its own, then rename: the digest is that of the bytes copied, should the file change."""
        self.incoming.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=self.incoming)
        with os.fdopen(handle, "wb") as copy:
            content = digest(file, copy)
        target = self.path(content.sha256)
        target.parent.mkdir(exist_ok=True)
        Path(name).chmod(0o444)
        Path(name).replace(target)
        return content

    def remove_all_but(self, wanted: set[str]) -> tuple[int, int]:
        """Remove left-overs and all content whose digest is not ``wanted``. Return how many files and bytes.

        Nobody may write at the same time: what a sync has stored is in no manifest yet, so nobody wants it.
        """
        files = removed_bytes = 0
        for path in [*self._files(self.incoming), *(path for path in self.contents() if path.name not in wanted)]:
            removed_bytes += path.stat().st_size
            path.unlink()
            files += 1
        return files, removed_bytes

    def contents(self) -> Iterator[Path]:
        """Yield the file of every content."""
        for folder in sorted(self.root.glob("??")):
            yield from self._files(folder)

    @staticmethod
    def _files(folder: Path) -> list[Path]:
        return sorted(folder.iterdir()) if folder.is_dir() else []


def digest(source: BinaryIO, copy: BinaryIO | None = None) -> Content:
    """Return what names the bytes left in ``source``, copying them to ``copy`` if it is given."""
    sha256, size = hashlib.sha256(), 0
    while chunk := source.read(CHUNK_BYTES):
        sha256.update(chunk)
        size += len(chunk)
        if copy is not None:
            copy.write(chunk)
    return Content(sha256.hexdigest(), size)
