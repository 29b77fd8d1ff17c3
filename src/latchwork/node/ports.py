"""What the node needs from above it. The composition root passes an :class:`Engine`; tests pass one in memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from latchwork.core.task import Advance, Claimed, Finish
from latchwork.executor.template_process import Hello


class Engine(Protocol):
    """The database as one node sees it: one connection, one row for the node.

    The node awaits one method at a time, except ``call``, which the engine serialises itself. Each raises
    DatabaseUnavailable if the database cannot be reached, and may be awaited again then.
    """

    async def join(self, names: Sequence[str], slots: int) -> None:
        """Make the row of this node, which can run the tasks ``names`` in so many slots."""

    async def advance(self, finished: Sequence[Finish], want: int) -> Advance:
        """Finish tasks, claim up to ``want`` others. A finish whose answer was lost may be given again."""

    async def beat(self, state: str, running: int) -> None:
        """Tell that the node lives; ``state`` is sleeping, working or draining."""

    async def leave(self) -> None:
        """Remove the row of this node."""

    async def call(self, claimed: Claimed, method: str, params: dict[str, Any]) -> Any:
        """Do for a running task what it asks for. ``method`` and ``params`` come from the task: trust neither."""

    def on_hint(self, callback: Callable[[], None]) -> None:
        """Call ``callback`` in the loop whenever there may be work for a sleeping node."""

    async def close(self) -> None:
        """Close the connection. Idempotent; does not raise because the connection is broken."""


MakeEngine = Callable[[Hello], Engine]
