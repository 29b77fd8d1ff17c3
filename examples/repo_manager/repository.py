"""Repositories: numbered versions, each a manifest that maps paths to contents. A version never changes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from examples.repo_manager.documents import check_name, read_document, write_document
from examples.repo_manager.store import Content, Store

# Compiled code is made while Python runs, and packages have a repository of their own.
SKIPPED = frozenset({"__pycache__", "site-packages", "dist-packages"})

Files = dict[str, Content]


def sync(home: Path, repo: str, folder: Path, only: list[str] | None = None) -> dict[str, Any]:
    """Make the repository hold what ``folder`` holds (of its top level: ``only`` these entries).

    Return the version, whether it is new, and the files and bytes in it and those new to the store. If nothing has
    changed there is no new version. Raises FileNotFoundError for an unknown folder, ValueError for a relative one.
    """
    if not folder.is_absolute():
        raise ValueError(f"{str(folder)!r} is relative, and a task runs in a folder of its own; give the whole path")
    store, files, new_files, new_bytes = Store(home), Files(), 0, 0
    for path in walk(folder, only):
        try:
            content, is_new = store.put(path)
        except FileNotFoundError:  # removed since it was listed, so the folder doesn't hold it
            continue
        files[path.relative_to(folder).as_posix()] = content
        new_files += is_new
        new_bytes += content.size if is_new else 0
    number, changed = _save(home, repo, files)
    return {
        "repo": repo,
        "version": number,
        "changed": changed,
        "files": len(files),
        "bytes": sum(content.size for content in files.values()),
        "new_files": new_files,
        "new_bytes": new_bytes,
    }


def walk(folder: Path, only: list[str] | None = None) -> Iterator[Path]:
    """Yield the regular files below ``folder``, in order."""
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        if entry.name in SKIPPED or (only is not None and entry.name not in only):
            continue
        if entry.is_dir(follow_symlinks=False):
            yield from walk(Path(entry.path))
        elif entry.is_file():
            yield Path(entry.path)


def _save(home: Path, repo: str, files: Files) -> tuple[int, bool]:
    number = latest_version(home, repo)
    if number and files_of(read_version(home, repo, number)) == files:
        return number, False
    body = {"repo": repo, "version": number + 1, "files": {path: list(content) for path, content in files.items()}}
    write_document(version_path(home, repo, number + 1), body)
    return number + 1, True


def version_path(home: Path, repo: str, number: int) -> Path:
    """Return where the manifest of a version lies."""
    return home / "repos" / check_name(repo) / f"{number:06}.json"


def read_version(home: Path, repo: str, number: int) -> dict[str, Any]:
    """Return the manifest of a version. Raises FileNotFoundError or CorruptError."""
    return read_document(version_path(home, repo, number))


def latest_version(home: Path, repo: str) -> int:
    """Return the number of the latest version, 0 if there is none."""
    return max((int(path.stem) for path in version_path(home, repo, 0).parent.glob("[0-9]*.json")), default=0)


def files_of(document: dict[str, Any]) -> Files:
    """Return what a manifest or an index lists."""
    return {path: Content(*entry) for path, entry in document["files"].items()}
