"""A node without processes: claims and finishes by hand, so that tests of the client decide what ends when."""

from __future__ import annotations

import uuid
from collections.abc import Sequence

from latchwork import App
from latchwork.core.task import Advance, Claimed, Finish
from latchwork.db.store import Store


class Drainer:
    """Takes tasks of an app through its own store."""

    def __init__(self, app: App) -> None:
        self.node = str(uuid.uuid4())
        self._names = app.registry.names()
        self._store: Store = app.client.store()  # type: ignore[union-attr]  # outside a task it is a Client

    def claim(self, want: int = 100) -> tuple[Claimed, ...]:
        return self.advance([], want).claimed

    def finish(self, claimed: Sequence[Claimed], state: str = "completed", result: str = "null") -> Advance:
        return self.advance([Finish(task.id, task.token, state, result=result) for task in claimed], 0)

    def advance(self, finished: Sequence[Finish], want: int) -> Advance:
        return self._store.advance(self.node, self._names, finished, want)

    def drain(self) -> int:
        """Run everything that is or becomes ready; return how many."""
        done = 0
        while claimed := self.claim():
            self.finish(claimed)
            done += len(claimed)
        return done
