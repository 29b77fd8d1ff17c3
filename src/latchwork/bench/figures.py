"""Small arithmetic, and the stopwatch."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

T = TypeVar("T")


def percentile(values: Sequence[float], percent: float) -> float:
    """Return the smallest value that at least ``percent`` % of the values do not exceed (nearest rank)."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]


def rounded(value: float) -> float:
    """Return ``value`` with four significant digits, enough for any figure here."""
    return float(f"{value:.4g}")


def timed(action: Callable[[], T]) -> tuple[float, T]:
    """Return how many seconds ``action`` took, and what it returned."""
    begin = time.perf_counter()
    value = action()
    return time.perf_counter() - begin, value


def rate(count: int, action: Callable[[], object]) -> float:
    """Do ``action`` ``count`` times, one after the other; return how many a second that makes."""
    begin = time.perf_counter()
    for _ in range(count):
        action()
    return count / (time.perf_counter() - begin)
