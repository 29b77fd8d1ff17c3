"""The directories that tasks work in: one for the node, below it one for each child, all 0700 and all removed."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from pathlib import Path

_TRIES = 3  # a process that is being killed may still add files


def make_base(parent: str | None = None) -> str:
    """Make and return a new directory for one node, in ``parent`` or in the system's place for temporary files."""
    return tempfile.mkdtemp(prefix="latchwork-", dir=parent)


def discard_empty(path: str) -> bool:
    """Remove ``path`` if it is empty. Return whether it is gone."""
    try:
        os.rmdir(path)  # noqa: PTH106  for each task
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


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
