"""The real input: the Python installation of this machine, cut into repositories, and a job that works on them."""

from __future__ import annotations

import sysconfig
from pathlib import Path
from typing import Any, NamedTuple

from examples.repo_manager.repository import SKIPPED, walk

PARTS_PER_FOLDER = 6
CHANNELS = ("stable", "testing", "nightly")


class Source(NamedTuple):
    """One repository to be: these top-level entries of this folder."""

    repo: str
    folder: str
    only: list[str]


class Step(NamedTuple):
    """One task to dispatch."""

    task: str
    kwargs: dict[str, Any]


def sources(parts: int = PARTS_PER_FOLDER) -> list[Source]:
    """Return the standard library and site-packages, each cut into ``parts`` repositories of about the same size."""
    paths = sysconfig.get_paths()
    return [*cut("stdlib", Path(paths["stdlib"]), parts), *cut("packages", Path(paths["purelib"]), parts)]


def cut(name: str, folder: Path, parts: int) -> list[Source]:
    """Return ``parts`` sources: each entry, the largest first, goes to the part that has least so far."""
    entries = [entry.name for entry in folder.iterdir() if entry.name not in SKIPPED]
    sizes = {entry: sum(path.stat().st_size for path in walk(folder, [entry])) for entry in entries}
    content: list[list[str]] = [[] for _ in range(parts)]
    totals = [0] * parts
    for entry in sorted(entries, key=lambda entry: (-sizes[entry], entry)):
        least = totals.index(min(totals))
        content[least].append(entry)
        totals[least] += sizes[entry]
    return [Source(f"{name}-{number}", str(folder), sorted(part)) for number, part in enumerate(content, start=1)]


def job(found: list[Source]) -> list[Step]:
    """Return the whole job, to be dispatched at once: who waits for whom follows from the resources alone.

    Twice: sync all, publish each under its own name, publish in turn to channels that several share, remove orphans,
    verify everything. The second time half of the repositories shrink, so that there is something to remove.
    """
    steps: list[Step] = []
    for turn in (1, 2):
        for number, source in enumerate(found):
            only = source.only if turn == 1 or number % 2 else source.only[::2]
            steps.append(Step("sync", {"repo": source.repo, "folder": source.folder, "only": only}))
            steps.append(Step("publish", {"repo": source.repo, "distribution": source.repo}))
        steps += [
            Step("publish", {"repo": source.repo, "distribution": CHANNELS[number % len(CHANNELS)]})
            for number, source in enumerate(found)
        ]
        steps.append(Step("remove_orphans", {}))
        steps += [Step("verify", {"distribution": name}) for name in (*(source.repo for source in found), *CHANNELS)]
    return steps
