"""The tasks that the bench runs in a real node. Imported by its template, so it must stay light."""

from __future__ import annotations

import time

from latchwork.app import App

TARGET = "latchwork.bench.tasks:app"
NOOP = "bench.noop"
STAMP = "bench.stamp"

app = App()  # the database and the schema come from LATCHWORK_DSN and LATCHWORK_SCHEMA


@app.task(name=NOOP)
def noop() -> None:
    """Do nothing."""


@app.task(name=STAMP)
def stamp() -> list[int]:
    """Return when this began and ended, in nanoseconds of the machine's monotonic clock, which all processes share."""
    begin = time.monotonic_ns()
    return [begin, time.monotonic_ns()]
