"""``dispatch``: how fast one process stores tasks, in batches and one by one, beside single-row commits.

With resources means: one of 100 exclusively and one that all share. The kinds take turns; the figures are medians.
Afterwards all tasks are worked off, which shows that each was stored once and stood in its place.
"""

from __future__ import annotations

import statistics
from collections import defaultdict
from functools import partial
from typing import Any, NamedTuple

from psycopg import Connection

from latchwork.bench.figures import rate
from latchwork.bench.limits import Limits, commits_per_s
from latchwork.bench.load import claim_faults, history_faults, new_tasks, no_locks, two_locks, work_off
from latchwork.bench.place import Place
from latchwork.bench.report import Measured, Row, Target, at_least
from latchwork.core.task import NewTask

BATCH_TO_REACH_PER_S = 20_000.0
BATCH_RATIO_TO_REACH = 0.5
ONE_TO_REACH = 0.4
KINDS = {"none": no_locks, "one exclusive, one shared": two_locks}
COMMITS = "(single-row commits)"
WORK_OFF_BATCH = 100


class Sizes(NamedTuple):
    """What to measure."""

    batch: int = 1_000
    turns: int = 15
    calls_a_turn: int = 50


FULL = Sizes()
QUICK = Sizes(turns=5, calls_a_turn=30)


def run(home: Place, sizes: Sizes) -> Measured:
    """Measure, then work off what was dispatched."""
    with home.connect() as conn:
        sender = Sender(home, conn, sizes)
        sender.turn()
        sender.speeds.clear()  # it was the warm-up
        for _ in range(sizes.turns):
            sender.turn()
        claimed_ids = work_off(home.store(conn), WORK_OFF_BATCH)
        faults = claim_faults(sender.sent, claimed_ids) + history_faults(home, conn, len(sender.sent))
    rows = [
        _row(kind, batch, found) for (kind, batch), found in sorted(sender.speeds.items(), key=lambda at: -at[0][1])
    ]
    return Measured(rows, partial(judge, rows), faults)


class Sender:
    """Dispatches in turns and keeps the speeds by kind and batch, in tasks a second."""

    def __init__(self, home: Place, conn: Connection[Any], sizes: Sizes) -> None:
        self.speeds: dict[tuple[str, int], list[float]] = defaultdict(list)
        self.sent: list[NewTask] = []
        self._home = home
        self._conn = conn
        self._store = home.store(conn)
        self._sizes = sizes

    def turn(self) -> None:
        """Measure each kind once, in a batch and one by one, and the commits."""
        sizes = self._sizes
        for kind, locks in KINDS.items():
            self._measure(kind, sizes.batch, [new_tasks(sizes.batch, locks)])
        for kind, locks in KINDS.items():
            self._measure(kind, 1, [[task] for task in new_tasks(sizes.calls_a_turn, locks)])
        self.speeds[COMMITS, 1].append(commits_per_s(self._home, self._conn, sizes.calls_a_turn))

    def _measure(self, kind: str, batch: int, calls: list[list[NewTask]]) -> None:
        waiting = iter(calls)
        self.speeds[kind, batch].append(batch * rate(len(calls), lambda: self._store.dispatch(next(waiting))))
        for tasks in calls:
            self.sent += tasks


def _row(kind: str, batch: int, speeds: list[float]) -> Row:
    median = statistics.median(speeds)
    return {"resources": kind, "batch": batch, "tasks_per_s": median, "call_ms": batch / median * 1e3}


def judge(rows: list[Row], _: Limits) -> list[Target]:
    """Compare batches with those without resources, and single calls with single-row commits."""
    batches = {row["resources"]: row["tasks_per_s"] for row in rows if row["batch"] > 1}
    singles = {row["resources"]: row["tasks_per_s"] for row in rows if row["batch"] == 1}
    none, two = KINDS
    ratio = batches[two] / batches[none]
    batched = at_least(
        "batches with resources, tasks/s",
        BATCH_TO_REACH_PER_S,
        batches[two],
        f"or ≥ {BATCH_RATIO_TO_REACH} × the same without, which is {ratio:.2f} ×",
    )
    return [
        batched._replace(met=batched.met or ratio >= BATCH_RATIO_TO_REACH),
        at_least("one by one against single-row commits", ONE_TO_REACH, singles[two] / singles[COMMITS]),
    ]
