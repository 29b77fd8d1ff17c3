"""On what a figure was measured."""

from __future__ import annotations

import os
import platform
import subprocess
from pathlib import Path
from typing import Any

from latchwork.bench.place import Place


def describe(place: Place) -> dict[str, Any]:
    """Return machine, interpreter, server with the settings that matter, commit, and the load at this moment."""
    with place.connect() as conn:
        version = conn.info.server_version
        settings: dict[str, str] = dict(place.run(conn, "settings"))
    return {
        "cpu_count": len(os.sched_getaffinity(0)),
        "cpu_model": cpu_model(),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "postgres": f"{version // 10_000}.{version % 10_000}",
        "settings": settings,
        "commit": commit(Path(__file__).parent),
        "load_1_min": round(os.getloadavg()[0], 2),
    }


def cpu_model() -> str | None:
    """Return the processor's name as the kernel tells it, if it does."""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return None


def commit(folder: Path) -> str | None:
    """Return the commit of the checkout around ``folder``, with ``-dirty`` if it has changes, or None."""
    command = ["git", "-C", str(folder), "describe", "--always", "--dirty", "--exclude=*"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 a constant command
    except OSError:  # no git
        return None
    return done.stdout.strip() if done.returncode == 0 else None
