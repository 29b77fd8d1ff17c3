"""``isolated``: how many tasks a second a real node runs in a child each, beside the bare forks of its template.

The forks and the tasks take turns, so that what else the machine does hits both. The supervisor's memory is read after
the warm-up, after a tenth of the tasks, and at the end: it must not follow the number of tasks.
"""

from __future__ import annotations

import statistics
from functools import partial
from typing import NamedTuple

from latchwork.bench.limits import Limits, of_template
from latchwork.bench.load import history_faults, new_tasks
from latchwork.bench.node_process import running_node
from latchwork.bench.place import Place
from latchwork.bench.report import Measured, Row, Target, at_least, at_most
from latchwork.bench.scenarios.node import Bench

RATE_TO_REACH = 0.7
RSS_TO_REACH = 1.05
TURNS = 10


class Sizes(NamedTuple):
    """What to measure. ``tasks`` are run in ten turns."""

    tasks: int = 5_000
    slots: int = 2
    warm_up_tasks: int = 200
    forks_a_turn: int = 300


FULL = Sizes()
QUICK = Sizes(tasks=1_000, warm_up_tasks=100, forks_a_turn=100)


def run(home: Place, sizes: Sizes) -> Measured:
    """Run the tasks in turns and read the supervisor's memory."""
    a_turn = max(2, sizes.tasks // TURNS)
    forks: list[Limits] = []
    speeds: list[float] = []
    with home.connect() as conn, running_node(home, home.store(conn), sizes.slots) as node:
        bench = Bench(home, conn, home.store(conn), node)
        bench.run(new_tasks(sizes.warm_up_tasks))
        memory = [node.rss_mb]
        for _ in range(TURNS):
            forks.append(of_template(home, sizes.forks_a_turn))
            found = bench.run(new_tasks(a_turn))
            speeds.append(len(found) / (max(run.finished_at for run in found) - min(run.started_at for run in found)))
            memory.append(node.rss_mb)
        faults = history_faults(home, conn, sizes.warm_up_tasks + a_turn * TURNS)
    row: Row = {
        "tasks_per_s": statistics.median(speeds),
        "fork_exit_per_s": statistics.median(one["fork_exit_per_s"] for one in forks),
        "fork_exit_abreast_per_s": statistics.median(one["fork_exit_abreast_per_s"] for one in forks),
        "ratio_to_fork_exit": _ratio(speeds, forks, "fork_exit_per_s"),
        "ratio_to_fork_exit_abreast": _ratio(speeds, forks, "fork_exit_abreast_per_s"),
        "slots": sizes.slots,
        "tasks": a_turn * TURNS,
        "supervisor_rss_start_mb": memory[0],
        "supervisor_rss_at_10_percent_mb": memory[1],
        "supervisor_rss_end_mb": memory[-1],
    }
    return Measured([row], partial(judge, row), faults)


def _ratio(speeds: list[float], forks: list[Limits], name: str) -> float:
    return statistics.median(speed / fork[name] for speed, fork in zip(speeds, forks, strict=True))


def judge(row: Row, _: Limits) -> list[Target]:
    """Compare with the bare forks, and the memory at the end with that after a tenth."""
    growth = row["supervisor_rss_end_mb"] / row["supervisor_rss_at_10_percent_mb"]
    return [
        at_least(
            "isolated tasks against fork and exit",
            RATE_TO_REACH,
            row["ratio_to_fork_exit"],
            f"{row['ratio_to_fork_exit_abreast']:.2f} × two forks abreast",
        ),
        at_most("supervisor's memory at the end against after a tenth", RSS_TO_REACH, growth),
    ]
