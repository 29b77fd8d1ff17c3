"""``python -m latchwork.bench``: the bench without the rest of the command line."""

from __future__ import annotations

from latchwork.bench.cli import app

app()
