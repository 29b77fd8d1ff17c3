"""The reference lock table: the definition of correct. The SQL engine is the production form of the same rules.

A *line* is all requests of one resource in ticket order. A request is granted by PostgreSQL's own rule for its lock
queues (``src/backend/storage/lmgr/README``): at once, only if it conflicts with no lock that is held and with none
that waits before it. For two modes and a strict queue that comes down to

- exclusive: granted iff it is the first of its line;
- shared: granted iff no exclusive request stands before it.

So readers never overtake a writer that came first, and nothing starves. Requests are only added at the end of a line,
so what is granted stays granted. A task is ready when all its requests are. Nothing is stored about that here: grants
follow from the lines alone, and cost does not matter. A property test drives this table and the SQL in step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from latchwork.core.resource import LockSet
from latchwork.core.states import CANCELED, CANCELING, FINAL, RUNNING, WAITING


@dataclass
class Entry:
    """One task in the table."""

    id: str
    ticket: int
    locks: LockSet
    priority: int
    state: str = WAITING
    token: str | None = None

    @property
    def resources(self) -> tuple[str, ...]:
        """All resources the task names."""
        return self.locks.exclusive + self.locks.shared


class LockTable:
    """All tasks that were ever dispatched, and the lines of those that are not final."""

    def __init__(self) -> None:
        self.tasks: dict[str, Entry] = {}
        self.lines: dict[str, list[Entry]] = {}

    def dispatch(self, tasks: Iterable[tuple[str, LockSet, int]]) -> list[Entry]:
        """Give (id, locks, priority) tasks their places in line, in order. A known id keeps its first place."""
        return [self.tasks.get(task) or self._place(task, locks, priority) for task, locks, priority in tasks]

    def _place(self, task: str, locks: LockSet, priority: int) -> Entry:
        mine = frozenset(locks.exclusive)
        shared = tuple(name for name in locks.shared if name not in mine)  # who asks both modes asks exclusive
        entry = Entry(task, len(self.tasks) + 1, LockSet(locks.exclusive, shared), priority)
        self.tasks[task] = entry
        for resource in entry.resources:
            self.lines.setdefault(resource, []).append(entry)
        return entry

    def is_granted(self, entry: Entry, resource: str) -> bool:
        """Whether the task holds the resource."""
        line = self.lines[resource]
        before = line[: line.index(entry)]
        if resource in entry.locks.exclusive:
            return not before
        return not any(resource in other.locks.exclusive for other in before)

    def pending(self, entry: Entry) -> int:
        """Return how many locks the task still waits for."""
        if entry.state in FINAL:
            return 0
        return sum(not self.is_granted(entry, resource) for resource in entry.resources)

    def is_ready(self, entry: Entry) -> bool:
        """Whether the task holds all its locks and waits for a slot."""
        return entry.state == WAITING and not self.pending(entry)

    def claim(self, want: int, new_token: Callable[[str], str]) -> list[str]:
        """Take up to ``want`` ready tasks, the most urgent first, then by ticket. Returns their ids in that order."""
        ready = [entry for entry in self.tasks.values() if self.is_ready(entry)]
        taken = sorted(ready, key=lambda entry: (-entry.priority, entry.ticket))[:want]
        for entry in taken:
            entry.state, entry.token = RUNNING, new_token(entry.id)
        return [entry.id for entry in taken]

    def finish(self, task: str, token: str, state: str) -> bool:
        """Retire a task in ``state`` if the token owns it; return whether it did. One asked to cancel is canceled."""
        entry = self.tasks.get(task)
        if entry is None or entry.token != token:
            return False
        self._retire(entry, CANCELED if entry.state == CANCELING else state)
        return True

    def cancel(self, task: str) -> str | None:
        """Cancel a task: a waiting one at once, a running one is asked. Returns its state then, None if unknown."""
        entry = self.tasks.get(task)
        if entry is None:
            return None
        if entry.state == WAITING:
            self._retire(entry, CANCELED)
        elif entry.state == RUNNING:
            entry.state = CANCELING
        return entry.state

    def _retire(self, entry: Entry, state: str) -> None:
        for resource in entry.resources:
            self.lines[resource].remove(entry)
            if not self.lines[resource]:
                del self.lines[resource]
        entry.state, entry.token = state, None

    def holders(self, resource: str) -> list[str]:
        """Return the ids of the tasks that hold the resource, in ticket order."""
        return [entry.id for entry in self.lines.get(resource, []) if self.is_granted(entry, resource)]

    def ready(self) -> list[str]:
        """Return the ids of the ready tasks, in ticket order."""
        return [entry.id for entry in self.tasks.values() if self.is_ready(entry)]
