"""The picture of a run: who ran when, who waited, and for whom. Pure: a history in, renderables out.

Two views over the same seconds. *Slots*: what each slot of the node ran. *Lines*: one row for each resource that has a
task of its own (its first exclusive resource, else the first shared one that is not everybody's); where nothing runs in
a row, the wait of the task that comes next is drawn: dotted while it is blocked, in the colour of the task that it
waits for, and shaded while it is ready and waits for a slot.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from rich.console import Group
from rich.table import Table
from rich.text import Text

from latchwork.cli.demo_history import Link, bounds, chain, kind, label, span, waits
from latchwork.cli.text import line
from latchwork.core.task import Task

COLORS = ("cyan", "green", "yellow", "magenta", "blue", "red")
BLOCKED, READY, IDLE = "·", "░", " "
LABEL_COLUMNS = 22


class Scale:
    """Maps times to columns."""

    def __init__(self, begin: float, end: float, columns: int) -> None:
        self.begin = begin
        self.columns = columns
        self.step = max(end - begin, 1e-6) / columns

    def edge(self, at: float) -> int:
        """Return the edge between two columns that is at or before this time, 0 to ``columns``."""
        return min(self.columns, max(0, int((at - self.begin) / self.step + 1e-9))) if at < math.inf else self.columns

    def reach(self, begin: float, end: float) -> range:
        """Return the columns from ``begin`` to ``end``: at least one, if any time passed."""
        first = min(self.edge(begin), self.columns - 1)
        return range(first, max(first + 1, self.edge(end))) if end > begin else range(0)


class Cell(NamedTuple):
    """One column of one row: the sign and the kind whose colour it takes."""

    sign: str = IDLE
    kind: str = ""


def palette(history: Iterable[Task]) -> dict[str, str]:
    """Return a colour for each kind of task, the most frequent first."""
    kinds = Counter(kind(task) for task in history).most_common()
    return {
        name: COLORS[place % len(COLORS)] for place, (name, _) in enumerate(sorted(kinds, key=lambda k: (-k[1], k[0])))
    }


def picture(history: Sequence[Task], width: int = 100) -> Group:
    """Return the whole picture, ``width`` columns wide."""
    ended = [task for task in history if task.started_at is not None]
    columns = max(20, width - LABEL_COLUMNS - 2)
    scale, colors = Scale(*bounds(ended), columns), palette(history)
    grid = Table.grid(padding=(0, 1))
    grid.add_column(no_wrap=True, width=LABEL_COLUMNS, overflow="ellipsis")
    grid.add_column(no_wrap=True)
    grid.add_row("seconds", Text(axis(scale), style="dim"))
    for number, lane in enumerate(slots(ended), start=1):
        grid.add_row(f"slot {number}", draw(run_cells(lane, scale), colors))
    grid.add_row("", "")
    found = waits(history)
    for name, lane in lines(ended).items():
        grid.add_row(Text(line(name)), draw(line_cells(lane, scale, found), colors))
    return Group(legend(colors), grid)


def legend(colors: dict[str, str]) -> Text:
    """Return what the signs and colours mean."""
    text = Text()
    for name, color in colors.items():
        text.append(f" {sign(name)} ", style=f"black on {color}").append(f" {line(name)}  ")
    return text.append(f"{BLOCKED * 3} blocked, coloured as what it waits for  {READY * 3} ready", style="dim")


def axis(scale: Scale) -> str:
    """Return the time axis: a mark at round numbers of seconds, about every 12 columns."""
    span_s = scale.step * scale.columns
    unit = next(
        (unit for unit in (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600) if unit / scale.step >= 10), span_s
    )
    row = [" "] * scale.columns
    for mark in range(int(span_s / unit) + 1):
        text = f"|{mark * unit:g}"
        at = int(mark * unit / scale.step)
        if at + len(text) <= scale.columns:
            row[at : at + len(text)] = text
    return "".join(row)


def slots(history: Iterable[Task]) -> list[list[Task]]:
    """Return the tasks by slot, as few slots as can have run them: each task takes the first that was free."""
    lanes: list[list[Task]] = []
    for task in sorted(history, key=lambda task: (span(task).started, span(task).finished)):
        free = next((lane for lane in lanes if span(lane[-1]).finished <= span(task).started), None)
        if free is None:
            lanes.append([task])
        else:
            free.append(task)
    return lanes


def lines(history: Iterable[Task]) -> dict[str, list[Task]]:
    """Return the tasks by the resource that is most their own, each in ticket order."""
    tasks = sorted(history, key=lambda task: -1 if task.ticket is None else task.ticket)
    users = Counter(resource for task in tasks for resource in (*task.exclusive, *task.shared))
    lanes: dict[str, list[Task]] = {}
    for task in tasks:
        own = task.exclusive or sorted(task.shared, key=lambda resource: users[resource])
        lanes.setdefault(own[0] if own else "no resources", []).append(task)
    kinds = [name.partition(":")[0] for name in lanes]  # in the order of their first tickets
    return dict(sorted(lanes.items(), key=lambda lane: (kinds.index(lane[0].partition(":")[0]), _natural(lane[0]))))


def _natural(name: str) -> list[tuple[int, str]]:
    """Return a key that sorts ``repo-2`` before ``repo-10``."""
    return [(int(part), "") if part.isdecimal() else (0, part) for part in re.split(r"(\d+)", name)]


def run_cells(lane: Iterable[Task], scale: Scale) -> list[Cell]:
    """Return the row of what ran."""
    row = [Cell()] * scale.columns
    for task in lane:
        for at in scale.reach(span(task).started, span(task).finished):
            row[at] = Cell(sign(kind(task)), kind(task))
    return row


def line_cells(lane: Sequence[Task], scale: Scale, found: dict[str, Link]) -> list[Cell]:
    """Return the row of one resource: what ran, and where nothing did, the wait of the task that came next."""
    row = [Cell()] * scale.columns
    for task in reversed(lane):  # those behind first: the next one's wait is drawn over theirs
        times, link = span(task), found.get(task.id)
        for at in scale.reach(times.created, times.ready):
            row[at] = Cell(BLOCKED, kind(link.earlier) if link else "")
        if scale.edge(times.started) > scale.edge(times.ready):  # a shorter one would hide the blocked time
            for at in scale.reach(times.ready, times.started):
                row[at] = Cell(READY, kind(task))
    ran = run_cells(lane, scale)
    return [run if run.sign != IDLE else wait for run, wait in zip(ran, row, strict=True)]


def draw(row: Iterable[Cell], colors: dict[str, str]) -> Text:
    """Return the row as text: runs on their colour, waits in it."""
    text = Text()
    for cell in row:
        color = colors.get(cell.kind, "white")
        waiting = cell.sign in (BLOCKED, READY, IDLE)
        text.append(cell.sign, style=color if waiting else f"black on {color}")
    return text


def sign(name: str) -> str:
    """Return the letter of a kind of task."""
    first = name[:1].upper()
    return first if first.isalnum() else "?"


def waits_table(history: Sequence[Task], most: int = 8) -> Table:
    """Return whom the most tasks waited for last: how many, the longest wait of them, on which resource, and who."""
    table = Table(title="Who let others go", title_justify="left", box=None, pad_edge=False)
    table.add_column("tasks", justify="right")
    table.add_column("waited up to", justify="right")
    for title in ("for", "on", "they were"):
        table.add_column(title, overflow="fold")
    held: dict[tuple[str, str], list[Link]] = {}
    for link in waits(history).values():
        if span(link.later).ready < math.inf:
            held.setdefault((link.earlier.id, link.resource), []).append(link)
    for links in sorted(held.values(), key=lambda links: (-len(links), -_longest(links)))[:most]:
        who = ", ".join(label(link.later) for link in links[:3]) + (" …" if len(links) > 3 else "")
        texts = (label(links[0].earlier), line(links[0].resource), who)
        table.add_row(str(len(links)), f"{_longest(links):.2f} s", *map(Text, texts))
    return table


def _longest(links: Iterable[Link]) -> float:
    return max(span(link.later).ready - span(link.later).created for link in links)


def chain_text(history: Sequence[Task]) -> Text:
    """Return the chain of waits that decided how long the whole run took."""
    path = chain(history)
    if not path:
        return Text("Nobody waited for anybody.")
    text = Text("The chain that decided the length of the run: ", style="bold")
    text.append(label(path[0].earlier), style="none")
    for link in path:
        text.append(f" -({line(link.resource)})-> {label(link.later)}", style="none")
    return text
