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


def table(columns: Sequence[Column], groups: Mapping[str, Sequence[Row]], width: int) -> Iterator[Text]:
    """Yield the lines of a table. Each group of rows has its name above it, unless that is empty.

    Columns are as wide as their longest cell. If that is more than ``width``, those that may be cut share what is left.
    """
    cells = {name: [[_cell(cell) for cell in row] for row in rows] for name, rows in groups.items()}
    every = [row for rows in cells.values() for row in rows]
    widths = [max([len(column.header), *(row[i].cell_len for row in every)]) for i, column in enumerate(columns)]
    _shrink(columns, widths, width)
    yield _join([Text(column.header, style="bold") for column in columns], columns, widths)
    for name, rows in cells.items():
        if name:
            yield Text()
            yield Text(line(name), style="bold")
        for row in rows:
            yield _join(row, columns, widths)


def _cell(cell: str | Text) -> Text:
    return cell if isinstance(cell, Text) else Text(line(cell))


def _shrink(columns: Sequence[Column], widths: list[int], width: int) -> None:
    """Take from the widest column that may be cut, until all fit or none may give more."""
    over = sum(widths) + GAP * (len(widths) - 1) - width
    elastic = [i for i, column in enumerate(columns) if column.cut and widths[i] > CUT_COLUMNS_MIN]
    while over > 0 and elastic:
        widest = max(elastic, key=lambda i: widths[i])
        if widths[widest] <= CUT_COLUMNS_MIN:
            return
        widths[widest] -= 1
        over -= 1


def _join(cells: Sequence[Text], columns: Sequence[Column], widths: Sequence[int]) -> Text:
    joined = Text(no_wrap=True, overflow="ignore")
    for i, (cell, column, width) in enumerate(zip(cells, columns, widths, strict=True)):
        shown = _cut(cell, column.cut, width)
        room = " " * (width - shown.cell_len)
        last = i == len(cells) - 1
        joined.append_text(Text.assemble(room, shown) if column.right else shown)
        joined.append("" if last else " " * GAP if column.right else room + " " * GAP)
    return joined


def _cut(cell: Text, side: str, columns: int) -> Text:
    if cell.cell_len <= columns or not side:
        return cell
    text = cell.plain
    while text and cell_len(text) > columns - 1:
        text = text[1:] if side == "front" else text[:-1]
    return Text(f"…{text}" if side == "front" else f"{text}…", style=cell.style)
