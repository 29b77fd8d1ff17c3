"""Resources: names compared byte for byte, asked exclusively or shared.

A lock set is normal when each name stands once, exclusive wins over shared, and both tuples are sorted by their UTF-8
bytes (the order PostgreSQL's ``COLLATE "C"`` uses). Names are never folded, trimmed or normalised: the NFC and NFD
forms of a letter are two resources.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from latchwork.core.show import show
from latchwork.errors import ResourceError

RESOURCES_PER_TASK_MAX = 64
RESOURCE_NAME_CHARS_MAX = 200


class LockSet(NamedTuple):
    """The resources of one task, normalised: disjoint, sorted by bytes, exclusive wins."""

    exclusive: tuple[str, ...] = ()
    shared: tuple[str, ...] = ()

    def conflicts_with(self, other: LockSet) -> bool:
        """Return whether the two sets share a resource that at least one of them asks exclusively."""
        mine, theirs = set(self.exclusive), set(other.exclusive)
        return not (mine.isdisjoint(theirs) and mine.isdisjoint(other.shared) and theirs.isdisjoint(self.shared))


def check_name(name: object) -> str:
    """Return ``name`` if it can be a resource name, else raise ResourceError saying why not."""
    if not isinstance(name, str):
        raise ResourceError(
            f"a resource name must be a str, got {type(name).__name__} ({show(name)}); convert it yourself"
        )
    if not name:
        raise ResourceError("a resource name must not be empty; leave the entry out if there is no resource")
    if len(name) > RESOURCE_NAME_CHARS_MAX:
        raise ResourceError(
            f"resource name {show(name, 40)} has {len(name)} characters, the limit is "
            f"{RESOURCE_NAME_CHARS_MAX}; name long things by a digest"
        )
    if "\x00" in name:
        raise ResourceError(f"resource name {show(name)} holds a NUL character, which PostgreSQL cannot store")
    try:
        name.encode("utf-8")
    except UnicodeEncodeError as error:
        raise ResourceError(
            f"resource name {show(name)} holds a lone surrogate at {error.start}, which is not valid UTF-8"
        ) from None
    return name


def normalise(exclusive: Iterable[str] = (), shared: Iterable[str] = ()) -> LockSet:
    """Return the normal lock set of the given names. Raises ResourceError for a bad name or more than 64 names."""
    for what, given in (("exclusive", exclusive), ("shared", shared)):
        if isinstance(given, (str, bytes)):
            raise ResourceError(f"{what} must be a list of names, got the single value {show(given)}; write [name]")
    mine = {check_name(name) for name in exclusive}
    others = {check_name(name) for name in shared} - mine
    if len(mine) + len(others) > RESOURCES_PER_TASK_MAX:
        raise ResourceError(
            f"a task may name at most {RESOURCES_PER_TASK_MAX} resources, got {len(mine) + len(others)}; "
            "name a coarser resource that stands for the group"
        )
    return LockSet(tuple(sorted(mine, key=str.encode)), tuple(sorted(others, key=str.encode)))
