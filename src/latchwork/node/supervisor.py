"""The supervisor: performs what core/plan.py decides. It never imports user code.

One event loop, and in it: the children's epoll, which feeds the plan what they do; the caller, which makes the plan's
calls to the database one at a time; one timer for the plan's next deadline; the signals. Each of them only turns what
happened into an event. A failure that is not the database's absence ends the node: children are killed, and
:meth:`Supervisor.run` raises it.
"""

from __future__ import annotations

import asyncio
import logging
import random
import signal
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from latchwork.core.plan import deadline, step
from latchwork.core.plan_types import (
    NEVER,
    Action,
    Assign,
    Begin,
    Broken,
    Close,
    Eof,
    Event,
    Exit,
    Fork,
    Hint,
    Kill,
    Plan,
    Settings,
    SpareFailed,
    StartTemplate,
    Stop,
    TemplateDown,
    TemplateUp,
    Tick,
)
from latchwork.core.task import Claimed
from latchwork.errors import ConfigError, ExecutorError, LatchworkError
from latchwork.executor.children import Children
from latchwork.executor.reports import Question
from latchwork.executor.workdir import Workdirs, discard
from latchwork.node.caller import Caller
from latchwork.node.ports import MakeEngine

CLOSE_S = 2.0  # for the engine's connection, at the end
REAP_S = 0.1  # how long an idle node leaves the last child in the process table
_SIGNALS = {signal.SIGTERM: Stop(hard=False), signal.SIGHUP: Stop(hard=False), signal.SIGINT: Stop(hard=True)}

log = logging.getLogger("latchwork.node")


class Supervisor:
    """Runs one node from start to end."""

    def __init__(
        self,
        make_engine: MakeEngine,
        template_command: Sequence[str],
        settings: Settings,
        *,
        workdir: str | None = None,
        handle_signals: bool = True,
    ) -> None:
        """Prepare a node; nothing is started.

        ``make_engine`` is called once, with what the template says of the app. ``workdir`` is the folder in which the
        node makes its own for the tasks' working directories (default: the system's temporary one).
        ``handle_signals=False`` leaves the signals alone, as in a thread; :meth:`stop` ends the node then.
        """
        self._command = template_command
        self._workdir = workdir
        self._handle_signals = handle_signals
        self._plan = Plan(settings)
        self._caller = Caller(make_engine, settings.slots, self._feed, partial(self._feed, Hint()), self._fail)
        self._events: deque[Event] = deque()
        self._answers: dict[int, asyncio.Task[None]] = {}
        self._janitor = ThreadPoolExecutor(1, "latchwork-janitor")
        self._timer: asyncio.TimerHandle | None = None
        self._reaper: asyncio.TimerHandle | None = None
        self._loop: asyncio.AbstractEventLoop
        self._done: asyncio.Future[int]
        self._children: Children

    async def run(self) -> int:
        """Run the node until it is told to stop, and return the process's exit code: 0 drained, 130 aborted.

        Raises ConfigError if the app cannot be imported or changed under us, ExecutorError if the template cannot
        live, and what the engine raises, except that DatabaseUnavailable is waited out once the node has joined.
        """
        self._loop = asyncio.get_running_loop()
        self._done = self._loop.create_future()
        workdirs = Workdirs(self._workdir)
        self._children = Children(self._command, workdirs, self._on_child_event, self._on_question)
        self._loop.add_reader(self._children.fileno(), self._pump)
        self._set_signals()
        self._caller.start()
        try:
            self._feed(Begin())
            return await self._done
        finally:
            await self._end(workdirs)

    def stop(self, *, hard: bool = False) -> None:
        """Do what SIGTERM does, or SIGINT if ``hard``. Call it in the loop that runs the node."""
        self._feed(Stop(hard))

    # --- what happened

    def _feed(self, event: Event) -> None:
        self._events.append(event)
        if len(self._events) > 1:  # an action below caused it; the loop further up takes it in its turn
            return
        try:
            while self._events:
                for action in step(self._plan, self._events[0], self._loop.time(), random.random()):  # noqa: S311  spreads pauses
                    self._do(action)
                self._events.popleft()
            self._arm()
        except Exception as error:  # noqa: BLE001  raised again by run()
            self._events.clear()
            self._fail(error)

    def _do(self, action: Action) -> None:
        match action:
            case Assign(child, claimed):
                self._children.assign(child, claimed)
            case Fork(count):
                self._children.fork(count)
            case Kill(child):
                self._children.kill(child)
            case Close(child):
                self._children.close(child)
            case StartTemplate():
                self._children.start_template()
            case Exit(code):
                if not self._done.done():
                    self._done.set_result(code)
            case call:
                self._caller.ask(call)

    def _fail(self, error: BaseException) -> None:
        if not self._done.done():
            self._done.set_exception(error)

    def _arm(self) -> None:
        """See that a Tick comes in time. A timer that is too early does no harm, so most changes cost nothing."""
        at = deadline(self._plan)
        if at == NEVER or (self._timer and self._timer.when() <= at):
            return
        if self._timer:
            self._timer.cancel()
        self._timer = self._loop.call_at(at, self._tick)

    def _tick(self) -> None:
        self._timer = None
        self._feed(Tick())

    def _pump(self) -> None:
        try:
            self._children.pump()
        except Exception as error:  # noqa: BLE001  raised again by run()
            self._fail(error)
        if self._children.untidy:
            self._loop.call_soon(self._tidy)  # after the caller has sent its call

    def _on_child_event(self, event: Event) -> None:
        if isinstance(event, TemplateUp):
            self._check_hello()
        elif isinstance(event, TemplateDown):
            if self._caller.hello is None:
                raise ExecutorError(f"{event.reason} It had not imported the app yet: {' '.join(self._command)}")
            log.error("%s It is started again", event.reason)
        elif isinstance(event, SpareFailed):
            log.error("no process could be forked, trying again in a second: %s", event.reason)
        elif isinstance(event, Eof) and event.child in self._plan.spares:
            log.error("a child ended before it had a task, trying again in a second: %s", event.output)
        self._feed(event)

    def _check_hello(self) -> None:
        hello = self._children.hello
        assert hello is not None
        if self._caller.hello is None:
            for warning in hello.warnings:
                log.warning("%s", warning)
            self._caller.hello = hello
        elif hello != self._caller.hello:
            raise ConfigError(
                "the app has other tasks or another database since its code changed; start the node again"
            )

    # --- questions of tasks

    def _on_question(self, child: int, question: Question) -> None:
        run = self._plan.running.get(child)
        if run is None:
            return
        if child in self._answers:
            self._feed(Broken(child, "The task's process asked again before it was answered."))
            return
        task = self._loop.create_task(self._answer(child, run.claimed, question))
        self._answers[child] = task
        task.add_done_callback(lambda _: self._answers.pop(child, None))

    async def _answer(self, child: int, claimed: Claimed, question: Question) -> None:
        assert self._caller.engine is not None
        try:
            result = await self._caller.engine.call(claimed, question.method, question.params)
            self._children.reply(child, question, {"result": result})
        except LatchworkError as error:
            self._refuse(child, question, type(error).__name__, str(error))
        except Exception:
            log.exception("task %s asked for %r", claimed.id, question.method)
            self._refuse(child, question, "LatchworkError", f"{question.method} failed in the node; its log says how")

    def _refuse(self, child: int, question: Question, kind: str, message: str) -> None:
        self._children.reply(child, question, {"error": {"type": kind, "message": message}})

    # --- what tasks leave behind

    def _tidy(self) -> None:
        for path in self._children.tidy():
            self._janitor.submit(_discard, path)
        if not self._reaper:
            self._reaper = self._loop.call_later(REAP_S, self._reap)

    def _reap(self) -> None:
        self._reaper = None
        self._children.reap()

    # --- start and end

    def _set_signals(self) -> None:
        if self._handle_signals:
            for signum, event in _SIGNALS.items():
                if signal.getsignal(signum) != signal.SIG_IGN:  # nohup, or a shell's background job: it is meant
                    self._loop.add_signal_handler(signum, self._on_signal, event)

    def _on_signal(self, event: Stop) -> None:
        self._feed(event)
        running, settings = len(self._plan.running), self._plan.settings
        if self._plan.stop == "abort":
            log.warning("stopping at once: running tasks are killed, %d are left", running)
        elif event.hard:
            log.info("no new tasks; %d running have %g s, the next Ctrl-C ends them at once", running, settings.grace_s)
        else:
            log.info("no new tasks; %d running may finish", running)

    def _unset_signals(self) -> None:
        if self._handle_signals:
            for signum in _SIGNALS:
                self._loop.remove_signal_handler(signum)

    async def _end(self, workdirs: Workdirs) -> None:
        self._unset_signals()
        for timer in (self._timer, self._reaper):
            if timer:
                timer.cancel()
        self._loop.remove_reader(self._children.fileno())
        self._children.stop()
        await self._caller.stop()
        for task in self._answers.values():
            task.cancel()
        if self._caller.engine:
            try:
                await asyncio.wait_for(self._caller.engine.close(), CLOSE_S)
            except TimeoutError:
                log.warning("the connection to the database did not close within %s s", CLOSE_S)
        await self._loop.run_in_executor(self._janitor, _discard, workdirs.base)
        self._janitor.shutdown()


def _discard(path: str) -> None:
    if not discard(path):
        log.warning("%s could not be removed; remove it by hand", path)
