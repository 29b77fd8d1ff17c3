"""Canaries: small faults planted into the SQL as it is loaded, to show that a named check catches each.

A canary is a TOML file: what is broken (``fault``), what goes wrong then (``harm``), the check that must fail on it
(``caught_by``, a function of ``tests/support/checks.py``), and changes of old text to new in named SQL files. The old
text must stand in the file exactly once, else planting fails: a canary that no longer fits is no proof of anything.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import NamedTuple

FOLDER = Path(__file__).parent


class Change(NamedTuple):
    """One replacement in one SQL file."""

    file: str
    old: str
    new: str


class Canary(NamedTuple):
    """One planted fault."""

    name: str
    fault: str
    harm: str
    caught_by: str
    changes: tuple[Change, ...]


class NotPlanted(Exception):
    """The change does not fit the SQL as it is now."""


def canaries() -> list[Canary]:
    """Return all canaries of this folder by name."""
    return [read(path) for path in sorted(FOLDER.glob("*.toml"))]


def read(path: Path) -> Canary:
    """Return the canary that a file describes."""
    text = tomllib.loads(path.read_text(encoding="utf-8"))
    changes = tuple(Change(**change) for change in text["change"])
    return Canary(path.stem, text["fault"], text["harm"], text["caught_by"], changes)


def plant(canary: Canary, code: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return the SQL files (name, text) with the fault in them. Raises NotPlanted if a change does not fit."""
    files = dict(code)
    for change in canary.changes:
        found = files.get(change.file, "").count(change.old)
        if found != 1 or change.old == change.new:
            raise NotPlanted(f"{canary.name}: {change.old!r} stands {found} times in {change.file}, it must stand once")
        files[change.file] = files[change.file].replace(change.old, change.new)
    return list(files.items())
