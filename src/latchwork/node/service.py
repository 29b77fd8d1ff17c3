"""A loop is a service, and all have one shape: a ``run`` that ends when stopped, idempotent ``start`` and ``stop``."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable


class Service(ABC):
    """A loop that can be started and stopped, again and again, from one event loop."""

    def __init__(self, on_failure: Callable[[BaseException], None]) -> None:
        """``on_failure`` is called in the loop with what ``run`` raises, other than its cancellation."""
        self._on_failure = on_failure
        self._task: asyncio.Task[None] | None = None

    @abstractmethod
    async def run(self) -> None:
        """Work until cancelled."""

    @property
    def running(self) -> bool:
        """Whether the loop works."""
        return self._task is not None and not self._task.done()

    def start(self) -> None:
        """Start the loop if it does not run. Raises RuntimeError outside an event loop."""
        if not self.running:
            self._task = asyncio.get_running_loop().create_task(self.run(), name=type(self).__name__)
            self._task.add_done_callback(self._on_done)

    async def stop(self) -> None:
        """Cancel the loop if it runs, and wait until it has ended. Does not raise what it failed with."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait([task])

    def _on_done(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self._on_failure(error)
