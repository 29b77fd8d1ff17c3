"""The plans that the server really ran, those inside functions too, as auto_explain tells them to the client."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import psycopg

from tests.support.engine import Connection

SETTINGS = {
    "auto_explain.log_min_duration": "0",
    "auto_explain.log_nested_statements": "on",
    "auto_explain.log_analyze": "on",
    "auto_explain.log_buffers": "on",
    "auto_explain.log_timing": "off",
    "auto_explain.log_format": "json",
    "client_min_messages": "log",
}


class Scan(NamedTuple):
    """One way of reading a table in one plan, with what it really did."""

    node: str  # Seq Scan, Index Scan, …
    table: str
    by: str | None  # the index
    rows: float  # rows touched: those returned and those thrown away
    query: str


class Plans:
    """The statements that ran while it listened."""

    def __init__(self) -> None:
        self.statements: list[dict[str, Any]] = []

    def hear(self, notice: psycopg.errors.Diagnostic) -> None:
        """Take the plan out of a message of the server; other messages are none of ours."""
        text = notice.message_primary or ""
        if "plan:\n" in text:
            self.statements.append(json.loads(text.split("plan:\n", 1)[1]))

    def scans(self) -> list[Scan]:
        """Every node that read a table or an index, in all plans."""
        return [
            _scan(node, statement["Query Text"])
            for statement in self.statements
            for node in _nodes(statement["Plan"])
            if "Relation Name" in node and "Scan" in node["Node Type"]
        ]

    def blocks(self) -> int:
        """Blocks touched by all statements that a client sent; those of nested statements are in them."""
        plans = [statement["Plan"] for statement in self.statements]
        return max(int(plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]) for plan in plans)


@contextmanager
def listening(conn: Connection) -> Iterator[Plans]:
    """Record the plans of what runs on ``conn`` meanwhile."""
    plans = Plans()
    conn.execute("LOAD 'auto_explain'")
    for name, value in SETTINGS.items():
        conn.execute("SELECT set_config(%s, %s, false)", [name, value])
    conn.add_notice_handler(plans.hear)
    try:
        yield plans
    finally:
        conn.remove_notice_handler(plans.hear)
        conn.execute("SET auto_explain.log_min_duration = -1")


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", []):
        yield from _nodes(child)


def _scan(node: dict[str, Any], query: str) -> Scan:
    each = node["Actual Rows"] + node.get("Rows Removed by Filter", 0) + node.get("Rows Removed by Index Recheck", 0)
    rows = each * node["Actual Loops"]
    return Scan(node["Node Type"], node["Relation Name"], node.get("Index Name"), rows, " ".join(query.split()))
