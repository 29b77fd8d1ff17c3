"""The one place where the node waits for the database: makes the calls the plan orders, one at a time."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from latchwork.core.plan_types import AskAdvance, AskBeat, AskJoin, Call, CallDone, CallFailed
from latchwork.core.task import Advance
from latchwork.errors import DatabaseUnavailable
from latchwork.executor.template_process import Hello
from latchwork.node.ports import Engine, MakeEngine
from latchwork.node.service import Service

log = logging.getLogger("latchwork.node")


class Caller(Service):
    """Holds the engine and at most one call to it."""

    def __init__(
        self,
        make_engine: MakeEngine,
        slots: int,
        on_event: Callable[[CallDone | CallFailed], None],
        on_hint: Callable[[], None],
        on_failure: Callable[[BaseException], None],
    ) -> None:
        """``on_event`` and ``on_hint`` are called in the loop."""
        super().__init__(on_failure)
        self._make_engine = make_engine
        self._slots = slots
        self._on_event = on_event
        self._on_hint = on_hint
        self._call: Call | None = None
        self._idle: asyncio.Future[None] | None = None
        self._reachable = True
        self.hello: Hello | None = None  # set before the first call, AskJoin
        self.engine: Engine | None = None  # made by AskJoin

    def ask(self, call: Call) -> None:
        """Make ``call`` as soon as the loop turns; its answer comes by ``on_event``. There must be none under way."""
        assert self._call is None, "two calls at once"
        self._call = call
        if self._idle and not self._idle.done():
            self._idle.set_result(None)

    async def run(self) -> None:
        """Make calls as they come."""
        while True:
            if self._call is None:
                self._idle = asyncio.get_running_loop().create_future()
                await self._idle
            call = self._call
            assert call is not None
            try:
                event: CallDone | CallFailed = CallDone(await self._make(call))
                self._note(None)
            except DatabaseUnavailable as error:
                if isinstance(call, AskJoin):
                    raise  # the operator is watching a start; whoever supervises us can try again
                self._note(error)
                event = CallFailed()
            self._call = None
            self._on_event(event)

    async def _make(self, call: Call) -> Advance | None:
        if isinstance(call, AskJoin):
            await self._join()
            return None
        assert self.engine is not None
        if isinstance(call, AskAdvance):
            answer = await self.engine.advance(call.finished, call.want)
            for task in answer.refused:
                log.warning("the outcome of task %s was not taken: its claim had been taken away from this node", task)
            return answer
        if isinstance(call, AskBeat):
            await self.engine.beat(call.state, call.running)
        else:
            await self.engine.leave()
        return None

    async def _join(self) -> None:
        assert self.hello is not None
        self.engine = self._make_engine(self.hello)
        self.engine.on_hint(self._on_hint)
        await self.engine.join(self.hello.names, self._slots)

    def _note(self, error: DatabaseUnavailable | None) -> None:
        if error and self._reachable:
            log.warning("the database cannot be reached; running tasks go on, their outcomes are kept: %s", error)
        elif not error and not self._reachable:
            log.info("the database can be reached again")
        self._reachable = error is None
