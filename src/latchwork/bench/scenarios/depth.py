"""``depth``: does the cost of a call grow with the number of tasks that wait on one resource?

Each depth has a schema and a connection of its own. It is filled by the real ``dispatch`` in batches of 1,000: one task
holds the resource, the others wait for it. Autovacuum is off and nothing is analyzed, so the statistics are those of an
empty table, the worst a planner gets. Then the depths take turns, a few calls each, so that what else the machine does
hits all alike; each step leaves as many waiting as it found. Commits do not wait for the disk here: its time would hide
a growth.
"""

from __future__ import annotations

import random
import statistics
import time
from collections import defaultdict, deque
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from typing import Any, NamedTuple, TypeVar

import psycopg
from psycopg import Connection

from latchwork.app import new_id
from latchwork.bench.figures import timed
from latchwork.bench.limits import Limits
from latchwork.bench.load import done, line_faults, new_tasks
from latchwork.bench.place import Place, place
from latchwork.bench.report import Measured, Row, Target, at_most
from latchwork.bench.tasks import NOOP
from latchwork.core.resource import LockSet
from latchwork.core.task import Advance, Claimed, Finish, NewTask
from latchwork.db.store import TASKS_PER_CALL_MAX
from latchwork.errors import LatchworkError

TO_REACH = 1.3
HOT = LockSet(("hot",))
COSTS = ("dispatch_ms", "claim_finish_ms", "handoff_ms", "dispatch_same_ms", "cancel_ms")
STEPS_A_TURN = 5

T = TypeVar("T")


class Sizes(NamedTuple):
    """What to measure."""

    depths: tuple[int, ...] = (100, 1_000, 10_000, 100_000, 1_000_000)
    steps: int = 300
    warm_up_steps: int = 20


FULL = Sizes()
QUICK = Sizes(depths=(100, 1_000, 10_000, 100_000), steps=200)


def run(home: Place, sizes: Sizes) -> Measured:
    """Measure all depths and check their lines."""
    with ExitStack() as stack:
        lines = [Line(stack.enter_context(place(home.dsn)), depth, stack) for depth in sizes.depths]
        checkpoint(lines[0])
        for _ in range(sizes.warm_up_steps):
            for line in lines:
                line.step()
        for line in lines:
            line.costs.clear()
        for _ in range(0, sizes.steps, STEPS_A_TURN):
            for line in random.sample(lines, len(lines)):  # no depth always follows the same other one
                for _ in range(STEPS_A_TURN):
                    line.step()
        faults = [f"{line.depth} waiting: {fault}" for line in lines for fault in line.faults()]
    rows = [line.row() for line in lines]
    return Measured(rows, partial(judge, rows), faults)


def judge(rows: list[Row], _: Limits) -> list[Target]:
    """Compare each cost at the greatest depth with that at the smallest."""
    first, last = rows[0], rows[-1]
    what = f"at {last['waiting']:,} waiting against {first['waiting']:,}"
    return [at_most(f"{cost.removesuffix('_ms')} {what}", TO_REACH, last[cost] / first[cost]) for cost in COSTS]


def checkpoint(line: Line) -> None:
    """Have the pages of the filling written now, if we may."""
    try:
        line.place.run(line.conn, "checkpoint")
    except psycopg.errors.InsufficientPrivilege:
        pass  # then the server writes them while we measure; the depths take turns, so it hits all


class Line:
    """One depth: a resource that one task holds and ``depth`` tasks wait for."""

    def __init__(self, home: Place, depth: int, stack: ExitStack) -> None:
        self.place = home
        self.depth = depth
        self.conn: Connection[Any] = stack.enter_context(home.connect(synchronous=False))
        self.costs: dict[str, list[float]] = defaultdict(list)
        self._store = home.store(self.conn)
        self._node = new_id()
        self._steps = 0
        self._waiting: deque[int] = deque()  # their tickets, in order
        home.run(self.conn, "autovacuum_off")
        begin = time.perf_counter()
        self._fill()
        self._fill_s = time.perf_counter() - begin

    def _fill(self) -> None:
        self._store.dispatch(self._new(HOT))
        self._holder = self._only(self._advance((), 1))
        for start in range(0, self.depth, TASKS_PER_CALL_MAX):
            batch = new_tasks(min(TASKS_PER_CALL_MAX, self.depth - start), lambda _: HOT)
            self._waiting += [stored.ticket for stored in self._store.dispatch(batch)]

    def step(self) -> None:
        """Measure each call once."""
        self._steps += 1
        free = self._new(LockSet((f"free:{self._steps}",)))
        self._time("dispatch_ms", lambda: self._store.dispatch(free))
        self._time("claim_finish_ms", self._claim_and_finish)
        last = self._new(HOT)
        self._waiting.append(self._time("dispatch_same_ms", lambda: self._store.dispatch(last))[0].ticket)
        finished = done([self._holder])
        self._holder = self._only(self._time("handoff_ms", lambda: self._advance(finished, 1)))
        if self._holder.ticket != self._waiting.popleft():
            raise LatchworkError(f"{self.depth} waiting: ticket {self._holder.ticket} was handed out before its turn")
        gone = self._new(HOT)
        self._store.dispatch(gone)
        self._time("cancel_ms", lambda: self._store.cancel(gone[0].id))

    def row(self) -> Row:
        """Return the medians."""
        medians = {cost: statistics.median(self.costs[cost]) * 1e3 for cost in COSTS}
        calls = len(self.costs[COSTS[0]])
        return {"waiting": self.depth, **medians, "calls": calls, "filled_tasks_per_s": self.depth / self._fill_s}

    def faults(self) -> list[str]:
        """Return what is wrong with the line as it stands now."""
        return line_faults(self.place, self.conn, self.depth + 1)

    def _claim_and_finish(self) -> None:
        self._advance(done([self._only(self._advance((), 1))]), 0)

    def _time(self, cost: str, action: Callable[[], T]) -> T:
        took, value = timed(action)
        self.costs[cost].append(took)
        return value

    def _advance(self, finished: tuple[()] | list[Finish], want: int) -> Advance:
        return self._store.advance(self._node, [NOOP], finished, want)

    def _only(self, answer: Advance) -> Claimed:
        if len(answer.claimed) != 1 or answer.refused:
            raise LatchworkError(f"{self.depth} waiting: one task was to be handed out, the answer was {answer}")
        return answer.claimed[0]

    def _new(self, locks: LockSet) -> list[NewTask]:
        return new_tasks(1, lambda _: locks)
