"""The run while it goes on: tasks by state, what runs, what waits for what. Pure functions."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from rich.console import Group
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from latchwork.cli.demo_history import label, span, waits
from latchwork.cli.text import line
from latchwork.core.states import RUNNING
from latchwork.core.task import Task

STATES = ("completed", "running", "ready", "blocked", "failed", "canceled")
STYLES = {"completed": "green", "running": "cyan", "ready": "yellow", "blocked": "white", "failed": "bold red"}


def counts(tasks: Sequence[Task]) -> dict[str, int]:
    """Return how many tasks are in each state, ``waiting`` told apart as blocked and ready."""
    found = Counter("ready" if task.ready else "blocked" if task.blocked else task.state for task in tasks)
    return {state: found[state] for state in (*STATES, *sorted(found.keys() - set(STATES)))}


def counts_line(tasks: Sequence[Task]) -> str:
    """Return the counts as one plain line, for output that is no terminal."""
    return ", ".join(f"{number} {state}" for state, number in counts(tasks).items() if number)


def panel(tasks: Sequence[Task], now: float, rows: int = 6) -> Group:
    """Return the live view. ``now`` is in seconds since the epoch; ``rows`` limits each list."""
    numbers = counts(tasks)
    total = max(1, len(tasks))
    summary = Text()
    for state, number in numbers.items():
        if number or state in STATES[:4]:
            summary.append(f"{state} {number}   ", style=STYLES.get(state, "magenta"))
    ended = sum(task.final for task in tasks)
    head = Table.grid(padding=(0, 2))
    head.add_row(ProgressBar(total=total, completed=ended, width=30), Text(f"{ended}/{len(tasks)}"), summary)
    return Group(head, _running(tasks, now, rows), _waiting(tasks, rows))


def _running(tasks: Sequence[Task], now: float, rows: int) -> Table:
    table = _list("runs")
    running = sorted((task for task in tasks if task.state == RUNNING), key=lambda task: span(task).started)
    for task in running[:rows]:
        began = span(task).started
        table.add_row(Text(label(task), style="cyan"), "" if began == math.inf else f"{max(0.0, now - began):.1f} s")
    return _padded(table, rows - len(running[:rows]))


def _waiting(tasks: Sequence[Task], rows: int) -> Table:
    table = _list("waits for")
    found = waits(tasks)
    waiting = [task for task in tasks if task.blocked and task.id in found]
    waiting.sort(key=lambda task: math.inf if task.ticket is None else task.ticket)
    shown = waiting if len(waiting) <= rows else waiting[: rows - 1]
    for task in shown:
        resource, earlier, _ = found[task.id]
        how = "runs" if earlier.state == RUNNING else "waits too"
        table.add_row(Text(label(task)), Text(f"{label(earlier)} ({how}), {line(resource)}"))
    if len(shown) < len(waiting):
        table.add_row(Text(f"and {len(waiting) - len(shown)} more", style="dim"), "")
    return _padded(table, rows - table.row_count)


def _list(title: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("task", no_wrap=True, width=40, overflow="ellipsis")
    table.add_column(title, no_wrap=True, width=56, overflow="ellipsis")
    return table


def _padded(table: Table, missing: int) -> Table:
    """Add empty rows, so that the view keeps its height and doesn't jump."""
    for _ in range(missing):
        table.add_row("", "")
    return table
