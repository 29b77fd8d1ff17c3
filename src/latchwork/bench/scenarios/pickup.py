"""``pickup``: how soon a task's code runs in a child of an idle node, from the beginning of the dispatch call.

The dispatch is the public one, ``App.dispatch``, from another process. Between two of them the node falls asleep.
"""

from __future__ import annotations

import random
import time
from functools import partial
from typing import NamedTuple

from latchwork.app import App
from latchwork.bench.figures import percentile
from latchwork.bench.limits import Limits
from latchwork.bench.load import history_faults
from latchwork.bench.node_process import running_node
from latchwork.bench.place import Place
from latchwork.bench.report import Measured, Row, Target, at_most
from latchwork.bench.tasks import STAMP, stamp
from latchwork.errors import LatchworkError

P50_TO_REACH_MS = 8.0
P99_TO_REACH_MS = 40.0
WAIT_LIMIT_S = 60.0
PAUSE_S = (0.05, 0.15)  # longer than the node's last look before it sleeps, and no fixed beat
WARM_UP = 10


class Sizes(NamedTuple):
    """What to measure."""

    dispatches: int = 300
    slots: int = 2


FULL = Sizes()
QUICK = Sizes(dispatches=50)


def run(home: Place, sizes: Sizes) -> Measured:
    """Dispatch one at a time to a sleeping node."""
    app = App(home.dsn, schema=home.schema)
    app.task(name=STAMP)(stamp.__wrapped__)
    with app, home.connect() as conn, running_node(home, home.store(conn), sizes.slots):
        took_ms = [_pick_up(app) for _ in range(WARM_UP + sizes.dispatches)][WARM_UP:]
        faults = history_faults(home, conn, WARM_UP + sizes.dispatches)
    if min(took_ms) < 0:
        faults.append("a task began before it was dispatched")
    row: Row = {
        "pickup_p50_ms": percentile(took_ms, 50),
        "pickup_p90_ms": percentile(took_ms, 90),
        "pickup_p99_ms": percentile(took_ms, 99),
        "pickup_most_ms": max(took_ms),
        "dispatches": len(took_ms),
    }
    return Measured([row], partial(judge, row), faults)


def _pick_up(app: App) -> float:
    time.sleep(random.uniform(*PAUSE_S))  # noqa: S311 no secret
    begin = time.monotonic_ns()
    task = app.wait(app.dispatch(STAMP), timeout_s=WAIT_LIMIT_S)
    if not task.ok:
        raise LatchworkError(f"the task ended {task.state}: {task.error}")
    return float(task.result[0] - begin) / 1e6


def judge(row: Row, _: Limits) -> list[Target]:
    """Compare with the times to reach."""
    return [
        at_most("pickup p50, ms", P50_TO_REACH_MS, row["pickup_p50_ms"]),
        at_most("pickup p99, ms", P99_TO_REACH_MS, row["pickup_p99_ms"]),
    ]
