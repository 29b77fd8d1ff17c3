"""The directories that tasks work in: one for the node, below it one for each running task, all 0700.

A task gets an empty directory of its own, and what it leaves there is removed. A directory that it left as it was is
given to a later task: file systems are slow at making and removing directories in great numbers (ext4 looks at each
inode that was freed in the last half minute before it takes one, 0.3 ms at 1,000 tasks a second).
"""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from pathlib import Path

_TRIES = 3  # a process that is being killed may still add files
_PRIVATE = stat.S_IFDIR | stat.S_IRWXU


class Workdirs:
    """The directories of one node."""

    def __init__(self, parent: str | None = None) -> None:
        """Make the node's directory in ``parent``, or in the system's place for temporary files. Raises OSError."""
        self._parent = parent
        self._free: list[str] = []
        self._count = 0
        self.base = tempfile.mkdtemp(prefix="latchwork-", dir=parent)

    def take(self) -> str:
        """Return an empty directory that no other task has. Raises OSError if none can be made."""
        while self._free:
            path = self._free.pop()
            if os.path.isdir(path):  # noqa: PTH112  for each task
                return path  # else someone has cleaned up the place for temporary files
        self._count += 1
        try:
            return self._make(f"{self.base}/{self._count}")
        except FileNotFoundError:  # with our own directory in it
            self.base = tempfile.mkdtemp(prefix="latchwork-", dir=self._parent)
            return self._make(f"{self.base}/{self._count}")

    def put_back(self, path: str) -> bool:
        """Keep ``path`` for another task if it is as it was. Else return False: it must be discarded."""
        try:
            clean = not os.listdir(path) and os.stat(path).st_mode == _PRIVATE  # noqa: PTH208, PTH116  for each task
        except OSError:
            return False
        if clean:
            self._free.append(path)
        return clean

    @staticmethod
    def _make(path: str) -> str:
        os.mkdir(path, stat.S_IRWXU)  # noqa: PTH102  the others are paths as text too
        return path


def discard(path: str) -> bool:
    """Remove ``path`` and all below it, repairing permissions that forbid it. Blocks; return whether it is gone."""
    for _ in range(_TRIES):
        _permit(path)
        shutil.rmtree(path, ignore_errors=True)
        if not os.path.lexists(path):
            return True
    return False


def _permit(path: str) -> None:
    """Give the owner all rights on each directory below ``path``. Links are not followed."""
    pending = [path]
    while pending:
        directory = pending.pop()
        try:
            Path(directory).chmod(stat.S_IRWXU)
            with os.scandir(directory) as entries:
                pending.extend(entry.path for entry in entries if entry.is_dir(follow_symlinks=False))
        except OSError:  # removed meanwhile, or another user's: rmtree decides
            continue
