"""``chain``: how soon a task's successor on one exclusive resource runs, each in a child.

The tasks tell when their code began and ended. The hand-off is the time from the end of one's code to the beginning of
the next one's: the outcome's way to the supervisor, one call with one commit, the successor's way to a waiting child.
The database's own view (finished_at to started_at, both within that call) stands beside it.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from functools import partial
from itertools import pairwise
from typing import NamedTuple

from latchwork.bench.figures import percentile
from latchwork.bench.limits import Limits, commits_per_s, of_template
from latchwork.bench.load import history_faults, new_tasks
from latchwork.bench.node_process import running_node
from latchwork.bench.place import Place
from latchwork.bench.report import Measured, Row, Target, at_most
from latchwork.bench.scenarios.node import Bench, Run
from latchwork.bench.tasks import STAMP
from latchwork.core.resource import LockSet

TO_REACH = 3.0
LINK = LockSet(("chain",))
FORKS = 20


class Sizes(NamedTuple):
    """What to measure."""

    tasks_a_turn: int = 300
    turns: int = 5
    slots: int = 2
    commits_a_turn: int = 200


FULL = Sizes()
QUICK = Sizes(tasks_a_turn=60, turns=3, commits_a_turn=100)


def run(home: Place, sizes: Sizes) -> Measured:
    """Run the chains; the limits are measured between them."""
    runs: list[list[Run]] = []
    limits_ms: list[float] = []
    with home.connect() as conn, running_node(home, home.store(conn), sizes.slots) as node:
        bench = Bench(home, conn, home.store(conn), node)
        bench.run(new_tasks(20, lambda _: LINK, STAMP))
        for _ in range(sizes.turns):
            pipe_ms = of_template(home, FORKS)["pipe_round_trip_ms"]
            limits_ms.append(1e3 / commits_per_s(home, conn, sizes.commits_a_turn) + pipe_ms)
            runs.append(bench.run(new_tasks(sizes.tasks_a_turn, lambda _: LINK, STAMP)))
        faults = history_faults(home, conn, 20 + sizes.tasks_a_turn * sizes.turns)
    faults += [fault for chain in runs for fault in overlap_faults(chain)]
    handoffs = [[(later.result[0] - one.result[1]) / 1e6 for one, later in pairwise(chain)] for chain in runs]
    row = _row(runs, handoffs, limits_ms)
    return Measured([row], partial(judge, row), faults)


def overlap_faults(chain: Sequence[Run]) -> list[str]:
    """Return what is wrong with the order in which the tasks' code ran, by the machine's clock."""
    early = sum(later.result[0] < one.result[1] for one, later in pairwise(chain))
    return [f"the code of {early} tasks began before that of the one before had ended"] if early else []


def _row(runs: list[list[Run]], handoffs: list[list[float]], limits_ms: list[float]) -> Row:
    flat = [one for chain in handoffs for one in chain]
    cycles = [(later.result[0] - one.result[0]) / 1e6 for chain in runs for one, later in pairwise(chain)]
    inside = [(later.started_at - one.finished_at) * 1e3 for chain in runs for one, later in pairwise(chain)]
    ratios = [statistics.median(chain) / limit for chain, limit in zip(handoffs, limits_ms, strict=True)]
    return {
        "handoff_p50_ms": percentile(flat, 50),
        "handoff_p99_ms": percentile(flat, 99),
        "cycle_p50_ms": percentile(cycles, 50),
        "finished_to_started_p50_ms": percentile(inside, 50),
        "tasks_per_s": 1e3 / statistics.mean(cycles),
        "commit_and_pipe_ms": statistics.median(limits_ms),
        "handoff_ratio": statistics.median(ratios),
        "tasks": sum(map(len, runs)),
    }


def judge(row: Row, _: Limits) -> list[Target]:
    """Compare the hand-off with one commit and one pipe round trip, measured between the chains."""
    return [at_most("hand-off against a commit and a pipe round trip", TO_REACH, row["handoff_ratio"])]
