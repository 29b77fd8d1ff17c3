"""The plans of the hot statements do not follow the backlog: 1,000,000 tasks wait on one resource, the statistics lie.

One resource has all the rows; the session planned its statements when the tables were nearly empty, or they were
analysed then, or never. Asserted are the plans
that the functions really ran: which tables are read by which indexes, and how many rows and blocks were touched,
against the same calls at 100 waiting.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.support.engine import Connection, Engine, new_task
from tests.support.plans import Plans, Scan, listening
from tests.support.postgres import Postgres

FOLDER = Path(__file__).parent
FEW, MANY = 100, 1_000_000
PROTECTED = ("task", "lock_request", "history", "unsettled")
INDEXES = {
    "task_pkey",
    "task_ready",
    "task_canceling",
    "lock_request_pkey",
    "lock_one_exclusive",
    "lock_waiting",
    "unsettled_pkey",
    "unsettled_due",
}
PLANNED = 3  # rounds that fill the plan cache
ROWS_MAX = 40  # of the hot tables in one call
DEEPER = 2  # levels that an index gains from 100 to 1,000,000 entries


class Cost(NamedTuple):
    """What one call touched."""

    scans: list[Scan]
    rows: Counter[str]
    blocks: int


def script(conn: Connection, name: str, **values: Any) -> None:
    text = (FOLDER / name).read_text(encoding="utf-8")
    with conn.transaction():
        for statement in text.split(";\n"):
            conn.execute(statement, values or None)


def measured(conn: Connection, call: Callable[[], object]) -> Cost:
    with listening(conn) as plans:
        call()
    return cost_of(plans)


def cost_of(plans: Plans) -> Cost:
    scans = plans.scans()
    rows: Counter[str] = Counter()
    for scan in scans:
        rows[scan.table] += int(scan.rows)
    return Cost(scans, rows, plans.blocks())


class Driver(Engine):
    """An engine that remembers what it has finished."""

    def __init__(self, conn: Connection) -> None:
        super().__init__(conn)
        self.done: set[str] = set()

    def hand_off(self) -> None:
        """Finish the holder of the hot resource and get its successor, in one call."""
        (holder,) = [task for task in self.owned.values() if task.id not in self.done]
        (claimed,) = self.advance([holder.id], 1).claimed
        self.done.add(holder.id)
        assert claimed.ticket > holder.ticket

    def free_round(self) -> None:
        """Claim and finish a task of a free resource, which is in nobody's way."""
        (claimed,) = self.advance([], 1).claimed
        self.advance([claimed.id], 0)
        self.done.add(claimed.id)

    def cancel_in_the_middle(self) -> None:
        row = self.conn.execute(
            "SELECT task::text FROM latchwork.lock_request"
            " WHERE resource = 'hot' AND ticket > 50 ORDER BY resource, ticket LIMIT 1"
        ).fetchone()
        assert row is not None
        assert self.cancel(row[0]) == "canceled"

    def settle_the_line(self) -> None:
        self.conn.execute("INSERT INTO latchwork.unsettled (resource, due_at) VALUES ('hot', now())")
        assert self.settle() is None


def costs(conn: Connection, driver: Driver) -> dict[str, Cost]:
    """Make each hot call once to warm up, and once measured."""
    calls: dict[str, Callable[[], object]] = {
        "dispatch on the hot resource": lambda: driver.write("hot"),
        "dispatch of a batch": lambda: driver.dispatch(*(new_task(["hot"]) for _ in range(5))),
        "dispatch on a free resource": lambda: driver.write("free"),
        "claim and finish of it": driver.free_round,
        "hand-off on the hot resource": driver.hand_off,
        "cancel in the middle of the line": driver.cancel_in_the_middle,
        "settle the line": driver.settle_the_line,
    }
    for call in calls.values():
        call()
    return {name: measured(conn, call) for name, call in calls.items()}


@pytest.fixture
def conn(dsn: str, connect: Callable[[str], Connection]) -> Connection:
    conn = connect(dsn)
    script(conn, "no_autovacuum.sql")
    return conn


def wrong(cost: Cost) -> list[Scan]:
    """The scans that a hot statement must not have."""
    hot = [scan for scan in cost.scans if scan.table.startswith(PROTECTED)]
    return [
        scan for scan in hot if scan.node == "Seq Scan" or not (scan.by in INDEXES or scan.table.startswith("history"))
    ]


def bounded(what: str, few: Cost, many: Cost) -> None:
    """The same call touches the same at 1,000,000 as at 100: rows by number, blocks but for the indexes' depth."""
    probes = sum(scan.table.startswith(PROTECTED) for scan in many.scans) + 20  # 20: rows written, with their indexes
    greedy = [scan for scan in many.scans if scan.rows > ROWS_MAX]
    assert greedy == [], what
    assert sum(many.rows[table] for table in PROTECTED) <= ROWS_MAX, what
    for table in PROTECTED:
        assert many.rows[table] <= few.rows[table] + 2, (what, table)
    assert many.blocks <= few.blocks + DEEPER * probes, what


@pytest.mark.timeout(300)
def test_the_hot_statements_touch_the_same_at_a_million_waiting_with_stale_statistics(
    pg_each: Postgres, conn: Connection
) -> None:
    driver = Driver(conn)
    script(conn, "fill_waiting.sql", first=1, last=FEW)
    conn.execute("ANALYZE latchwork.task, latchwork.lock_request, latchwork.history, latchwork.unsettled")
    assert len(driver.claim(1)) == 1
    for _ in range(PLANNED):
        costs(conn, driver)
    few = costs(conn, driver)
    script(conn, "fill_waiting.sql", first=FEW + 1, last=MANY)
    for statistics in ("planned while small", "analysed while small", "never analysed"):
        if statistics == "never analysed":
            script(conn, "never_analysed.sql")
        if statistics != "planned while small":
            conn.execute("DISCARD PLANS")
        for name, cost in costs(conn, driver).items():
            assert wrong(cost) == [], (statistics, name)
            bounded(f"{name}, {statistics}", few[name], cost)


def test_the_check_sees_a_sequential_scan(conn: Connection) -> None:
    script(conn, "fill_waiting.sql", first=1, last=FEW)
    cost = measured(conn, lambda: conn.execute("SELECT count(*) FROM latchwork.task WHERE pending = 1").fetchone())
    assert [scan.node for scan in wrong(cost)] == ["Seq Scan"]
    assert cost.rows["task"] == FEW
