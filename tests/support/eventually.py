"""Waiting for a condition that no event announces. The one place in the tests that lets time pass."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

POLL_S = 0.01


def eventually(condition: Callable[[], T], timeout_s: float, what: str) -> T:
    """Poll ``condition`` until it returns something true, and return that.

    Raises AssertionError naming ``what`` and the last value when ``timeout_s`` is over. The timeout is there to end a
    broken test, not to measure: take it generously.
    """
    deadline = time.monotonic() + timeout_s
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"after {timeout_s:g} s still not true: {what}; last value: {value!r}")
        time.sleep(POLL_S)  # sleeps: this is the helper that tests use in place of a sleep
    return value


async def aeventually(condition: Callable[[], T], timeout_s: float, what: str) -> T:
    """Like :func:`eventually`, for a test that shares an event loop with what it waits for."""
    deadline = time.monotonic() + timeout_s
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"after {timeout_s:g} s still not true: {what}; last value: {value!r}")
        await asyncio.sleep(POLL_S)  # sleeps: this is the helper that tests use in place of a sleep
    return value
