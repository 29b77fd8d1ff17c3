"""The few words that differ between the async sources and their generated sync twins.

Each pair means the same in its colour: start a background loop, wait for an event for a limited time. The generator's
name table turns the first of each pair into the second.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

_kept: set[Any] = set()


def aspawn(loop: Callable[[], Awaitable[None]]) -> None:
    """Run ``loop`` in the background of the running event loop, kept alive until it returns."""

    async def run() -> None:
        await loop()

    task = asyncio.get_running_loop().create_task(run())
    _kept.add(task)
    task.add_done_callback(_kept.discard)


def spawn(loop: Callable[[], None]) -> None:
    """Run ``loop`` in a daemon thread."""
    threading.Thread(target=loop, name="latchwork-waiter", daemon=True).start()


async def aevent_wait(event: asyncio.Event, timeout_s: float | None) -> bool:
    """Wait for ``event``, at most ``timeout_s`` seconds; return whether it is set."""
    with suppress(TimeoutError):
        await asyncio.wait_for(event.wait(), timeout_s)
    return event.is_set()


def event_wait(event: threading.Event, timeout_s: float | None) -> bool:
    """Wait for ``event``, at most ``timeout_s`` seconds; return whether it is set."""
    return event.wait(timeout_s)
