"""Many sessions at once on few resources, with everything that may meet, and a full account afterwards.

Six dispatchers (two leave their transaction open for some calls of others), eight drainers with random batch sizes, two
cancellers. Lock sets of 0 to 5 resources. Nothing is timed: the recorded clocks only say what came before what.
"""

from __future__ import annotations

import random
import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from latchwork.core.resource import LockSet
from latchwork.core.task import Finish, NewTask
from latchwork.db.records import Stored
from latchwork.db.store import Store
from tests.support.checkers import Final, Run, Sent, disorder, illegal_ends, late_tickets, losses, overlaps
from tests.support.engine import NAME, Connection, new_task, store_on
from tests.support.eventually import eventually

DISPATCHERS, OPENERS, DRAINERS, CANCELLERS = 6, 2, 8, 2
TASKS = 5_400
IDLE_S = 0.02  # how long an idle drainer waits for the end of the run before it asks again

FINALS = "SELECT id::text, state, attempt, started_at IS NOT NULL FROM latchwork.history"
LEFT = """
SELECT (SELECT count(*) FROM latchwork.task), (SELECT count(*) FROM latchwork.lock_request),
       (SELECT count(*) FROM latchwork.unsettled), (SELECT count(*) FROM latchwork.sleeper),
       (SELECT deadlocks FROM pg_stat_database WHERE datname = current_database())
"""


class Torture:
    """One run and what it recorded. Lists are only appended to, so threads may share them."""

    def __init__(self, dsn: str, resources: int, seed: int) -> None:
        self.dsn = dsn
        self.names = [f"r{n}" for n in range(resources)]
        self.seed = seed
        self.sent: list[Sent] = []
        self.runs: list[Run] = []
        self.retries: list[int] = []
        self.locks: dict[str, LockSet] = {}
        self.dispatched = threading.Event()
        self.over = threading.Event()

    def draw(self, rng: random.Random) -> NewTask:
        names = rng.sample(self.names, rng.choice([0, 1, 1, 2, 2, 3, 4, 5]))
        cut = sum(rng.random() < 0.5 for _ in names)
        task = new_task(names[:cut], names[cut:], priority=rng.choice([0, 0, 5]))
        self.locks[task.id] = task.locks
        return task

    def record(self, stored: list[Stored], after: float) -> None:
        now = time.monotonic()
        self.sent += [Sent(row.id, row.ticket, self.locks[row.id], after, now) for row in stored]

    def dispatch(self, store: Store, rng: random.Random, count: int) -> None:
        """Dispatch in calls of one or a few tasks, each a transaction."""
        while count > 0:
            tasks = [self.draw(rng) for _ in range(min(count, rng.choice([1, 1, 1, 5, 20])))]
            count -= len(tasks)
            before = time.monotonic()
            self.record(store.dispatch(tasks), before)

    def dispatch_open(self, store: Store, conn: Connection, rng: random.Random, count: int) -> None:
        """Dispatch and keep the transaction open, until others have started some more tasks; roll some back."""
        while count > 0:
            tasks = [self.draw(rng) for _ in range(min(count, rng.choice([1, 3])))]
            count -= len(tasks)
            seen = len(self.runs)
            conn.execute("BEGIN")
            stored = store.dispatch(tasks, conn=conn)
            for _ in range(10):
                if len(self.runs) >= seen + 5 or self.over.wait(IDLE_S / 4):
                    break
            if rng.random() < 0.1:
                conn.execute("ROLLBACK")
                continue
            before = time.monotonic()
            conn.execute("COMMIT")
            self.record(stored, before)

    def drain(self, store: Store, rng: random.Random) -> None:
        """Be a node: claim some, run them for as long as it takes to record it, finish them, until nothing is left."""
        node, running, started = str(uuid.uuid4()), list[Finish](), 0.0
        tickets: dict[str, int] = {}
        while not self.over.is_set():
            ended = time.monotonic()
            self.runs += [Run(each.id, tickets[each.id], self.locks[each.id], started, ended) for each in running]
            answer = store.advance(node, [NAME], running, rng.choice([1, 2, 8, 30]), notify=False)
            started = time.monotonic()
            assert not answer.refused
            tickets.update((claimed.id, claimed.ticket) for claimed in answer.claimed)
            running = [Finish(claimed.id, claimed.token, "completed", "1") for claimed in answer.claimed]
            if answer.settle_ms == 0:
                store.settle(node, notify=False)
            if not running:
                if self.dispatched.is_set() and not any(store.counts().get(s) for s in ("blocked", "ready", "running")):
                    return
                self.over.wait(IDLE_S)

    def cancel(self, store: Store, rng: random.Random) -> None:
        """Cancel some tasks, waiting or running or final, while they are dispatched."""
        while not self.dispatched.wait(IDLE_S):
            if self.sent:
                state = store.cancel(rng.choice(self.sent[-50:]).task)
                assert state in {"canceled", "canceling", "completed"}

    def session(self, number: int, kind: str, count: int = 0) -> None:
        """One thread with a connection of its own."""
        rng = random.Random(self.seed + number)
        with psycopg.connect(self.dsn, autocommit=True) as conn:
            store = store_on(conn)
            try:
                if kind == "dispatch":
                    self.dispatch(store, rng, count)
                elif kind == "open":
                    self.dispatch_open(store, conn, rng, count)
                elif kind == "drain":
                    self.drain(store, rng)
                else:
                    self.cancel(store, rng)
            except BaseException:
                self.over.set()
                self.dispatched.set()
                raise
            self.retries.append(store.retries)

    def run(self) -> None:
        plain, each_open = DISPATCHERS - OPENERS, 200
        each = (TASKS - OPENERS * each_open) // plain
        kinds = [("open", each_open)] * OPENERS + [("dispatch", each)] * plain
        with ThreadPoolExecutor(DISPATCHERS + DRAINERS + CANCELLERS) as pool:
            dispatching = [pool.submit(self.session, n, *kind) for n, kind in enumerate(kinds)]
            rest = [pool.submit(self.session, 100 + n, "drain") for n in range(DRAINERS)]
            rest += [pool.submit(self.session, 200 + n, "cancel") for n in range(CANCELLERS)]
            for future in dispatching:
                future.result()
            self.dispatched.set()
            for future in rest:
                future.result()


@pytest.mark.timeout(400)  # 10 s on a free machine; it must not fail on a busy one
@pytest.mark.parametrize("resources", [6, 50])
def test_many_sessions_at_once_leave_no_overlap_no_disorder_no_loss_and_nothing_behind(
    dsn: str, connect: Callable[[str], Connection], resources: int
) -> None:
    torture = Torture(dsn, resources, random.randrange(2**32))
    torture.run()
    conn = connect(dsn)
    finals = [Final(*row) for row in conn.execute(FINALS).fetchall()]
    assert len(finals) >= 5_000
    assert losses({sent.task for sent in torture.sent}, finals) == []
    assert overlaps(torture.runs) == []
    assert disorder(torture.runs) == []
    assert late_tickets(torture.sent) == []
    assert illegal_ends(finals, torture.runs) == []
    assert torture.retries == [0] * (DISPATCHERS + DRAINERS + CANCELLERS)
    assert {final.state for final in finals} == {"completed", "canceled"}
    eventually(lambda: store_on(conn).settle(str(uuid.uuid4())) is None, 30, "no line is unsettled")
    assert conn.execute(LEFT).fetchone() == (0, 0, 0, 0, 0)
