"""The machine's own limits, measured in the same run as the figures that stand beside them."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

from psycopg import Connection

from latchwork.bench.figures import rate
from latchwork.bench.place import Place, statement
from latchwork.bench.tasks import TARGET
from latchwork.errors import ExecutorError

CALLS = 300
FORKS = 200
LIMIT_S = 120.0

Limits = dict[str, float]


def measure(place: Place) -> Limits:
    """Return all limits by name, units in the names."""
    with place.connect() as conn:
        return {
            "single_row_commits_per_s": commits_per_s(place, conn, CALLS),
            "select_1_per_s": selects_per_s(place, conn, CALLS),
            **of_template(place, FORKS),
        }


def mean(before: Limits, after: Limits) -> Limits:
    """Return the mean of what was measured before and after a scenario."""
    return {name: (value + after[name]) / 2 for name, value in before.items()}


def commits_per_s(place: Place, conn: Connection[Any], count: int) -> float:
    """Return how many inserts of one narrow row, each its own commit, this connection makes a second."""
    insert = statement("rate_insert", place.schema)
    return rate(count, lambda: conn.execute(insert, {"note": "x"}))


def selects_per_s(place: Place, conn: Connection[Any], count: int) -> float:
    """Return how many round trips to the server this connection makes a second."""
    select = statement("select_1", place.schema)
    return rate(count, lambda: conn.execute(select).fetchone())


def of_template(place: Place, forks: int) -> Limits:
    """Return ``fork_exit_per_s``, ``fork_exit_abreast_per_s``, ``pipe_round_trip_ms`` of a template with our tasks."""
    command = [sys.executable, "-m", "latchwork.bench.template_limits", TARGET, str(forks)]
    done = subprocess.run(  # noqa: S603 our own interpreter and module
        command, capture_output=True, text=True, check=False, timeout=LIMIT_S, env=place.environ()
    )
    if done.returncode:
        raise ExecutorError(f"the template's limits could not be measured: {done.stderr.strip()[-500:]}")
    found: Limits = json.loads(done.stdout)
    return found
