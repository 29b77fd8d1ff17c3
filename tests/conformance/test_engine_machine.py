"""PostgreSQL and the reference lock table, driven in step and compared after each step.

The machine draws lock sets over four resources, dispatches one or many, claims, finishes (also with a wrong token),
cancels, and repeats dispatches whose answer was "lost". After each step the states, what each task still waits for,
who holds which resource and the claim order must be the same. At the end it drains, and nothing may be left.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from latchwork.core.locks import LockTable
from latchwork.core.states import CANCELED, COMPLETED, FAILED, FINAL
from latchwork.core.task import Finish, NewTask
from latchwork.errors import IdConflict
from tests.support.engine import EMPTY, NODE, Connection, new_task, store_on, tables
from tests.support.postgres import Postgres

NAMES = ("one", "two")
FOREIGN = str(uuid.UUID(int=7))
EXAMPLES = {18: (150, 40), 15: (30, 30)}  # major: examples × steps

resources = st.sets(st.sampled_from(["a", "b", "c", "ä"]), max_size=3).map(lambda found: tuple(sorted(found)))
wishes = st.tuples(resources, resources, st.sampled_from(NAMES), st.sampled_from([0, 0, 0, 5, -5]))
Wish = tuple[tuple[str, ...], tuple[str, ...], str, int]


def make(wish: Wish) -> NewTask:
    """A task that may name a resource in both modes, as a driver of another language could send it."""
    return new_task(wish[0], wish[1], name=wish[2], priority=wish[3])


class EngineMachine(RuleBasedStateMachine):
    conn: Connection  # set on a subclass, for each run

    known = Bundle("known")  # tasks that were dispatched
    owned = Bundle("owned")  # claims that may be finished

    def __init__(self) -> None:
        super().__init__()
        self.conn.execute(EMPTY)
        self.store = store_on(self.conn)
        self.model = LockTable()

    def dispatch(self, tasks: list[NewTask], *, again: bool = False) -> None:
        stored = self.store.dispatch(tasks, again=again)
        entries = self.model.dispatch([(task.id, task.locks, task.priority) for task in tasks])
        tickets = {row.id: row.ticket for row in stored}
        assert set(tickets) == {task.id for task in tasks}
        by_ticket = sorted(tickets, key=lambda task: tickets[task])
        assert by_ticket == [entry.id for entry in sorted(entries, key=lambda entry: entry.ticket)]
        if not again:
            assert [row.ready for row in stored] == [self.model.is_ready(entry) for entry in entries]

    def advance(self, finished: list[Finish], want: int) -> list[tuple[str, str]]:
        """One call of the engine, the same steps in the model. Returns the claims (id, token)."""
        answer = self.store.advance(NODE, NAMES, finished, want, notify=False)
        refused = [each.id for each in finished if not self.model.finish(each.id, each.token, each.state)]
        assert list(answer.refused) == refused
        tokens = {claimed.id: claimed.token for claimed in answer.claimed}
        expected = self.model.claim(want, lambda task: tokens.get(task, "not claimed"))
        assert [claimed.id for claimed in answer.claimed] == expected
        assert answer.settle_ms is None  # no stranger's transaction is open
        return list(tokens.items())

    @rule(target=known, wish=wishes)
    def dispatch_one(self, wish: Wish) -> NewTask:
        task = make(wish)
        self.dispatch([task])
        return task

    @rule(target=known, batch=st.lists(wishes, min_size=2, max_size=5))
    def dispatch_batch(self, batch: list[Wish]) -> object:
        tasks = [make(wish) for wish in batch]
        self.dispatch(tasks)
        return multiple(*tasks)

    @rule(target=known, batch=st.lists(known, max_size=3, unique=True), wish=wishes)
    def repeat_dispatch(self, batch: list[NewTask], wish: Wish) -> NewTask:
        task = make(wish)
        self.dispatch([*batch, task], again=True)
        return task

    @rule(task=known)
    def an_id_that_exists_is_refused(self, task: NewTask) -> None:
        with pytest.raises(IdConflict):
            self.store.dispatch([task])

    @rule(target=owned, want=st.integers(0, 4))
    def claim(self, want: int) -> object:
        return multiple(*self.advance([], want))

    @rule(
        target=owned,
        claims=st.lists(consumes(owned), min_size=1, max_size=3, unique=True),
        state=st.sampled_from([COMPLETED, FAILED, CANCELED]),
        want=st.integers(0, 3),
    )
    def finish_and_claim(self, claims: list[tuple[str, str]], state: str, want: int) -> object:
        return multiple(*self.advance([Finish(task, token, state, "null") for task, token in claims], want))

    @rule(task=known)
    def finish_with_a_wrong_token(self, task: NewTask) -> None:
        self.advance([Finish(task.id, FOREIGN, COMPLETED)], 0)

    @rule(task=known)
    def cancel(self, task: NewTask) -> None:
        assert self.store.cancel(task.id) == self.model.cancel(task.id)

    @rule()
    def cancel_unknown(self) -> None:
        assert self.store.cancel(FOREIGN) is None

    @invariant()
    def the_tables_are_the_same(self) -> None:
        found = tables(self.conn)
        entries = sorted(self.model.tasks.values(), key=lambda entry: entry.ticket)
        assert found.history == {entry.id: entry.state for entry in entries if entry.state in FINAL}
        assert found.tasks == [
            {
                "id": entry.id,
                "state": entry.state,
                "pending": self.model.pending(entry),
                "ready": not self.model.pending(entry),
                "token": entry.token,
            }
            for entry in entries
            if entry.state not in FINAL
        ]
        assert found.lines == [
            (resource, entry.id, resource in entry.locks.exclusive, self.model.is_granted(entry, resource))
            for resource, line in sorted(self.model.lines.items(), key=lambda item: item[0].encode())
            for entry in line
        ]

    def teardown(self) -> None:
        """Drain: all that is owned ends, all that becomes ready is claimed, until nothing is left."""
        while any(entry.state not in FINAL for entry in self.model.tasks.values()):
            running = [entry for entry in self.model.tasks.values() if entry.token]
            outcomes = [Finish(entry.id, entry.token or "", COMPLETED) for entry in running]
            assert self.advance(outcomes, 100) or outcomes, "nothing runs and nothing becomes ready"
            self.the_tables_are_the_same()
        assert tables(self.conn).lines == []


def run_machine(conn: Connection, examples: int, steps: int) -> None:
    machine = type("Machine", (EngineMachine,), {"conn": conn})
    checks = [HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large]
    profile = settings(max_examples=examples, stateful_step_count=steps, deadline=None, suppress_health_check=checks)
    run_state_machine_as_test(machine, settings=profile)


@pytest.mark.timeout(600)  # a failing example is made small first
def test_the_engine_and_the_reference_table_agree_after_each_step(
    pg_each: Postgres, dsn: str, connect: Callable[[str], Connection]
) -> None:
    run_machine(connect(dsn), *EXAMPLES[pg_each.major])


def test_one_call_and_a_batch_may_name_a_resource_in_both_modes(dsn: str, connect: Callable[[str], Connection]) -> None:
    store = store_on(connect(dsn))
    both = (("r",), ("r",), "one", 0)
    assert [row.ready for row in store.dispatch([make(both)])] == [True]
    assert [row.ready for row in store.dispatch([make(both), make(both)])] == [False, False]
