"""Where commands print: plain tables without frames for people, one JSON document for programs."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from latchwork.cli.text import line, tail

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
GAP = 2
NAME_COLUMNS_MIN = 8
# A file or a pipe has no width. Rows stay whole there, so that grep and awk find what they look for.
UNBOUNDED_COLUMNS = 10_000


def console() -> Console:
    """Return a console on stdout that takes all text literally. Colours only on a terminal, and not with NO_COLOR."""
    width = None if sys.stdout.isatty() or os.environ.get("COLUMNS") else UNBOUNDED_COLUMNS
    return Console(markup=False, highlight=False, emoji=False, width=width, soft_wrap=False)


def print_json(document: dict[str, Any]) -> None:
    """Print one JSON document. ASCII only, so that no terminal obeys what it holds."""
    print(json.dumps(document, indent=2))


def styled(state: str) -> Text:
    """Return a state in its colour."""
    return Text(line(state), style=STYLES.get(state, ""))


def rows_table(headers: Sequence[str], rows: Sequence[Sequence[str | Text]], width: int) -> Table:
    """Return a table of one line a row. The last column takes what is left of ``width``, cut at the front.

    A header that starts with ``>`` aligns its column to the right.
    """
    names = [header.removeprefix(">") for header in headers]
    cells = [[cell if isinstance(cell, Text) else Text(line(cell)) for cell in row] for row in rows]
    taken = [max(len(names[i]), *(row[i].cell_len for row in cells), 0) for i in range(len(names) - 1)]
    left = max(NAME_COLUMNS_MIN, width - sum(taken) - GAP * len(taken))
    table = Table(box=None, padding=(0, GAP, 0, 0), pad_edge=False, header_style="bold")
    for header, name, last in zip(headers, names, [False] * len(taken) + [True], strict=True):
        justify = "right" if header.startswith(">") else "left"
        table.add_column(name, justify=justify, no_wrap=not last, overflow="fold")  # type: ignore[arg-type] # literals
    for *row, end in cells:
        table.add_row(*row, Text(tail(end.plain, left), style=end.style))
    return table
