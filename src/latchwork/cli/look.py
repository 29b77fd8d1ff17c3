"""``latchwork locks`` and ``latchwork workers``: who holds and who waits, which nodes live."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Annotated, Any, NamedTuple

import typer
from rich.text import Text

from latchwork.cli.options import SCHEMA, Dsn, Json, Limit, Schema, open_app
from latchwork.cli.output import Column, Row, columns_of_output, print_json, print_lines, styled, table
from latchwork.cli.text import duration, iso, line
from latchwork.core.ids import created_ms
from latchwork.db.records import AppRow, LockRow
from latchwork.errors import InputError

ALIVE_S = 15.0  # three heartbeats
LINE_ROWS = 10
PLACE_COLUMNS = (
    Column("#", right=True),
    Column("mode"),
    Column("task is"),
    Column("for", right=True),
    Column("task", own_line=True),
    Column("name", cut="front"),
)
WORKER_COLUMNS = (
    Column("id", own_line=True),
    Column("state"),
    Column("busy", right=True),
    Column("up", right=True),
    Column("beat", right=True),
    Column("name", cut="end"),
)


class Place(NamedTuple):
    """One place in the line of one resource."""

    row: LockRow
    place: int  # from 1
    what: str  # running | ready | canceling: it holds the lock; reserved; waits
    since: float | None  # seconds since the epoch; None: its id does not tell


def places(rows: Iterable[LockRow]) -> Iterator[Place]:
    """Yield the places of all lines. ``rows`` are ordered by resource and ticket, each line from its first."""
    for _, in_line in groupby(rows, key=lambda row: row.resource):
        for number, row in enumerate(in_line, 1):
            if row.unblocked_at is not None:
                state = "ready" if row.state == "waiting" else row.state or "held"
                yield Place(row, number, state, row.unblocked_at)
            else:
                yield Place(row, number, "reserved" if row.granted else "waits", _created(row.task))


def _created(task_id: str) -> float | None:
    try:
        return created_ms(task_id) / 1000
    except InputError:  # the caller chose an id of another kind
        return None


def locks(
    resource: Annotated[
        str | None, typer.Option(metavar="NAME", help="Only this resource, with its whole line.")
    ] = None,
    limit: Limit = 1_000,
    json: Json = False,
    dsn: Dsn = None,
    schema: Schema = SCHEMA,
) -> None:
    """Show who holds each resource and who waits for it.

    Each line is in its order. The first places of each are shown, with --resource all of one line.
    """
    with open_app(dsn, schema) as latchwork:
        rows = latchwork.locks(resource=resource, limit=limit)
    now = time.time()
    if json:
        print_json({"locks": [_place_json(place, now) for place in places(rows)], "complete": len(rows) < limit})
        return
    if not rows:
        print("nobody holds or waits for it" if resource else "no locks are held or waited for")
        return
    _print_lines(list(places(rows)), now, limit if resource else LINE_ROWS)
    if len(rows) == limit:
        print(f"\nthe first {limit} places; --limit shows more, --resource one line")


def _print_lines(found: list[Place], now: float, rows_max: int) -> None:
    groups: dict[str, list[Row]] = {}
    for name, grouped in groupby(found, key=lambda place: place.row.resource):
        in_line = list(grouped)
        more = f", the first {rows_max} of {len(in_line)}; --resource shows all" if len(in_line) > rows_max else ""
        groups[line(name) + more] = [_cells(place, now) for place in in_line[:rows_max]]
    print_lines(table(PLACE_COLUMNS, groups, columns_of_output()))
    if any(place.what == "reserved" for place in found):
        note = "reserved: its turn has come here, but it still waits for another of its locks"
        print_lines([Text(), Text(note, style="dim")])


def _cells(place: Place, now: float) -> Row:
    since = None if place.since is None else now - place.since
    row = place.row
    return [str(place.place), row.mode, styled(place.what), duration(since), row.task, row.name or "–"]


def _place_json(place: Place, now: float) -> dict[str, Any]:
    row = place.row
    return {
        "resource": row.resource,
        "place": place.place,
        "mode": row.mode,
        "status": place.what,
        "holds": row.unblocked_at is not None,
        "since": iso(place.since),
        "for_s": None if place.since is None else round(max(0.0, now - place.since), 3),
        "task": row.task,
        "name": row.name,
        "state": row.state,
        "ticket": row.ticket,
        "node": row.node,
    }


def is_alive(row: AppRow) -> bool:
    """Return whether the process has written a heartbeat lately, by the database's clock."""
    return row.heartbeat_age_s is not None and row.heartbeat_age_s <= ALIVE_S


def workers(json: Json = False, dsn: Dsn = None, schema: Schema = SCHEMA) -> None:
    """Show the nodes: which live, and what they do."""
    with open_app(dsn, schema) as latchwork:
        found = [row for row in latchwork.workers() if row.kind == "node"]
    if json:
        print_json({"workers": [_worker_json(row) for row in found]})
    elif not found:
        print("no node runs; start one with: latchwork worker MODULE:APP")
    else:
        _print_workers(found)


def _print_workers(found: list[AppRow]) -> None:
    now = time.time()
    rows: list[Row] = [
        [
            row.id,
            styled((row.state or "working") if is_alive(row) else "lost"),
            f"{row.running or 0}/{row.slots}",
            duration(now - row.started_at),
            duration(row.heartbeat_age_s),
            row.name,
        ]
        for row in found
    ]
    print_lines(table(WORKER_COLUMNS, {"": rows}, columns_of_output()))


def _worker_json(row: AppRow) -> dict[str, Any]:
    return {
        "id": row.id,
        "name": row.name,
        "host": row.host,
        "pid": row.pid,
        "alive": is_alive(row),
        "state": row.state,
        "slots": row.slots,
        "running": row.running,
        "started_at": iso(row.started_at),
        "heartbeat_age_s": row.heartbeat_age_s,
        "version": row.version,
        "tasks": row.tasks,
    }
