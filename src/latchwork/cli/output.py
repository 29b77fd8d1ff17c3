"""Where commands print: plain tables without frames for people, one JSON document for programs."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from latchwork.cli.text import line

STYLES = {
    "completed": "green",
    "running": "cyan",
    "working": "cyan",
    "ready": "yellow",
    "canceling": "magenta",
    "canceled": "magenta",
    "failed": "bold red",
    "lost": "bold red",
}
Row = Sequence[str | Text]

GAP = 2
CUT_COLUMNS_MIN = 8
# A file or a pipe has no width. Rows stay whole there, so that grep and awk find what they look for.
UNBOUNDED_COLUMNS = 10_000


def columns_of_output() -> int:
    """Return how many columns a row may have."""
    if sys.stdout.isatty() or os.environ.get("COLUMNS"):
        return shutil.get_terminal_size().columns
    return UNBOUNDED_COLUMNS


def print_lines(lines: Iterable[Text]) -> None:
    """Print lines as they are; a terminal wraps what is too long. Colours only there, and not with NO_COLOR."""
    out = Console(markup=False, highlight=False, emoji=False)
    for text in lines:
        out.print(text, soft_wrap=True)


def print_json(document: dict[str, Any]) -> None:
    """Print one JSON document. ASCII only, so that no terminal obeys what it holds."""
    print(json.dumps(document, indent=2))


def styled(state: str) -> Text:
    """Return a state in its colour."""
    return Text(line(state), style=STYLES.get(state, ""))


class Column(NamedTuple):
    """One column of a table."""

    header: str
    right: bool = False
    cut: str = ""  # what goes if the table is too wide: "front" | "end" of the text; "" keeps it whole
    own_line: bool = False  # in a very narrow terminal it stands below the rest of its row


def table(columns: Sequence[Column], groups: Mapping[str, Sequence[Row]], width: int) -> Iterator[Text]:
    """Yield the lines of a table. Each group of rows has its name above it, unless that is empty.

    Columns are as wide as their longest cell. If that is more than ``width``, those that may be cut give way, and if
    that is not enough, the column with a line of its own leaves the row.
    """
    cells = {name: [[_cell(cell) for cell in row] for row in rows] for name, rows in groups.items()}
    every = [row for rows in cells.values() for row in rows]
    natural = {i: max([len(c.header), *(row[i].cell_len for row in every)]) for i, c in enumerate(columns)}
    widths = _fitted(columns, natural, width)
    if _total(widths) > width:
        widths = _fitted(columns, {i: natural[i] for i in natural if not columns[i].own_line}, width)
    yield from _row([Text(column.header, style="bold") for column in columns], columns, widths)
    for name, rows in cells.items():
        if name:
            yield Text()
            yield Text(line(name), style="bold")
        for row in rows:
            yield from _row(row, columns, widths)


def _cell(cell: str | Text) -> Text:
    return cell if isinstance(cell, Text) else Text(line(cell))


def _total(widths: Mapping[int, int]) -> int:
    return sum(widths.values()) + GAP * (len(widths) - 1)


def _fitted(columns: Sequence[Column], widths: Mapping[int, int], width: int) -> dict[int, int]:
    """Return the widths, less what the widest columns that may be cut can give until all fit."""
    fitted = dict(widths)
    elastic = [i for i in fitted if columns[i].cut]
    while elastic and _total(fitted) > width:
        widest = max(elastic, key=fitted.__getitem__)
        if fitted[widest] <= CUT_COLUMNS_MIN:
            break
        fitted[widest] -= 1
    return fitted


def _row(cells: Sequence[Text], columns: Sequence[Column], widths: Mapping[int, int]) -> Iterator[Text]:
    """Yield the line of the columns that have a width, and one for each other."""
    joined, last = Text(), max(widths)
    for i, width in widths.items():
        shown = _cut(cells[i], columns[i].cut, width)
        room = " " * (width - shown.cell_len)
        joined.append_text(Text.assemble(room, shown) if columns[i].right else shown)
        if i != last:
            joined.append(" " * GAP if columns[i].right else room + " " * GAP)
    yield joined
    yield from (Text.assemble("  ", cell) for i, cell in enumerate(cells) if i not in widths)


def _cut(cell: Text, side: str, columns: int) -> Text:
    """Return the cell cut to ``columns``; at the front behind a dot if one is there, as names have parts."""
    if cell.cell_len <= columns or not side:
        return cell
    text = cell.plain
    if side == "front":
        parts = text.split(".")
        ends = [".".join(parts[i:]) for i in range(1, len(parts))] + [text[i:] for i in range(1, len(text) + 1)]
        return Text("…" + next(end for end in ends if cell_len(end) < columns), style=cell.style)
    while cell_len(text) >= columns:
        text = text[:-1]
    return Text(f"{text}…", style=cell.style)
