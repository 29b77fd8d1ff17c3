"""``free`` and ``contended``: how fast one process works tasks off through ``advance``, without running them.

Beside it a fetch-and-complete loop as one would write it by hand, without locks, in the same batches, and the contended
run beside the free one. They take turns; the figures are medians. All tables are vacuumed after filling, so that none
of them pays for what the turn before has left.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from psycopg import Connection

from latchwork.bench.figures import timed
from latchwork.bench.limits import Limits
from latchwork.bench.load import claim_faults, history_faults, new_tasks, no_locks, two_locks, work_off
from latchwork.bench.place import Place, statement
from latchwork.bench.report import Measured, Row, Target, at_least
from latchwork.bench.tasks import NOOP
from latchwork.core.resource import LockSet
from latchwork.core.task import NewTask
from latchwork.errors import LatchworkError

FREE_TO_REACH = 0.6
CONTENDED_TO_REACH = 0.5


class Sizes(NamedTuple):
    """What to measure."""

    tasks: int = 20_000
    turns: int = 5
    batch: int = 100


FULL = Sizes()
QUICK = Sizes(tasks=3_000, turns=3)


def run_free(home: Place, sizes: Sizes) -> Measured:
    """Measure tasks without resources against the loop."""
    rows, faults = _turns(home, sizes, {"free": no_locks})
    return Measured(rows, partial(judge_free, rows), faults)


def run_contended(home: Place, sizes: Sizes) -> Measured:
    """Measure tasks with one of 100 resources exclusive and one shared by all against tasks without, and the loop."""
    rows, faults = _turns(home, sizes, {"free": no_locks, "contended": two_locks})
    return Measured(rows, partial(judge_contended, rows), faults)


def judge_free(rows: list[Row], _: Limits) -> list[Target]:
    """Compare with the loop."""
    speed = _by_kind(rows)
    return [at_least("free against a hand-written loop", FREE_TO_REACH, speed["free"] / speed["loop"])]


def judge_contended(rows: list[Row], _: Limits) -> list[Target]:
    """Compare with the same without resources."""
    speed = _by_kind(rows)
    return [at_least("contended against free", CONTENDED_TO_REACH, speed["contended"] / speed["free"])]


def _by_kind(rows: list[Row]) -> dict[str, float]:
    return {row["kind"]: row["tasks_per_s"] for row in rows}


def _turns(home: Place, sizes: Sizes, kinds: dict[str, Callable[[int], LockSet]]) -> tuple[list[Row], list[str]]:
    speeds: dict[str, list[float]] = {"loop": [], **{kind: [] for kind in kinds}}
    faults: list[str] = []
    with home.connect() as conn:
        for turn in range(sizes.turns + 1):
            tasks = sizes.tasks if turn else min(sizes.batch * 5, sizes.tasks)  # the first one warms up
            found = {"loop": _loop_speed(home, conn, tasks, sizes.batch)}
            for kind, locks in kinds.items():
                found[kind], wrong = _engine_speed(home, conn, new_tasks(tasks, locks), sizes.batch)
                faults += wrong
            if turn:
                for kind, speed in found.items():
                    speeds[kind].append(speed)
        warm_up = min(sizes.batch * 5, sizes.tasks)
        faults += history_faults(home, conn, (warm_up + sizes.tasks * sizes.turns) * len(kinds))
    return [_row(kind, found, sizes) for kind, found in speeds.items()], faults


def _row(kind: str, speeds: list[float], sizes: Sizes) -> Row:
    median = statistics.median(speeds)
    return {
        "kind": kind,
        "tasks_per_s": median,
        "tasks_per_s_least": min(speeds),
        "tasks_per_s_most": max(speeds),
        "batch_ms": sizes.batch / median * 1e3,
        "tasks": sizes.tasks,
        "turns": sizes.turns,
    }


def _engine_speed(home: Place, conn: Connection[Any], tasks: list[NewTask], batch: int) -> tuple[float, list[str]]:
    store = home.store(conn)
    store.dispatch(tasks)
    home.run(conn, "vacuum")
    took, claimed_ids = timed(lambda: work_off(store, batch, [NOOP]))
    return len(tasks) / took, claim_faults(tasks, claimed_ids)


def _loop_speed(home: Place, conn: Connection[Any], count: int, batch: int) -> float:
    home.run(conn, "loop_table")
    home.run(conn, "loop_fill", {"tasks": count})
    home.run(conn, "loop_vacuum")
    took, completed = timed(lambda: _loop(home, conn, batch))
    if completed != count:
        raise LatchworkError(f"the hand-written loop completed {completed} of {count} tasks")
    return count / took


def _loop(home: Place, conn: Connection[Any], batch: int) -> int:
    take, complete = statement("loop_take", home.schema), statement("loop_done", home.schema)
    completed = 0
    while rows := conn.execute(take, {"want": batch}).fetchall():
        conn.execute(complete, {"ids": [row[0] for row in rows]})
        completed += len(rows)
    return completed
