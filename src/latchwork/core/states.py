"""The states of a task and the one table of transitions. Pure; it does not know which process it runs in.

The database enforces the same table (``sql/tables.sql``, function ``transition_is_legal``); a test reads both and
compares them. *blocked* and *ready* are not states: a ``waiting`` task is blocked while ``unblocked_at`` is null.
"""

from __future__ import annotations

SCHEDULED = "scheduled"
WAITING = "waiting"
RUNNING = "running"
CANCELING = "canceling"
COMPLETED = "completed"
FAILED = "failed"
CANCELED = "canceled"

FINAL = frozenset({COMPLETED, FAILED, CANCELED})
INCOMPLETE = frozenset({SCHEDULED, WAITING, RUNNING, CANCELING})
ALL = (SCHEDULED, WAITING, RUNNING, CANCELING, COMPLETED, FAILED, CANCELED)

# from -> the states it may become. A final state has no way out.
TRANSITIONS: dict[str, frozenset[str]] = {
    SCHEDULED: frozenset({WAITING, CANCELED}),
    WAITING: frozenset({RUNNING, CANCELED, FAILED}),
    RUNNING: frozenset({COMPLETED, FAILED, CANCELED, CANCELING, WAITING, SCHEDULED}),
    CANCELING: frozenset({CANCELED, FAILED}),
    COMPLETED: frozenset(),
    FAILED: frozenset(),
    CANCELED: frozenset(),
}


def is_legal(old: str, new: str) -> bool:
    """Return whether a task may go from ``old`` to ``new``. Raises KeyError for a word that is no state."""
    return new in TRANSITIONS[old]
