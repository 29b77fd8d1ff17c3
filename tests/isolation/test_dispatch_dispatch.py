"""Two dispatches at once: who waits for whom, and in which order they stand in line afterwards."""

from __future__ import annotations

from collections.abc import Callable

import psycopg
import pytest

from latchwork.errors import IdConflict, IsolationError
from tests.support import checks
from tests.support.engine import Connection, Engine, new_task, tables
from tests.support.sessions import sessions

RESOURCES_MAX = 1_000  # one call that names more takes the gate instead of the latches


def test_ticket_order_is_commit_order(dsn: str) -> None:
    checks.ticket_order_is_commit_order(dsn)


def test_readers_share_while_a_dispatch_is_open(dsn: str) -> None:
    checks.readers_share_while_a_dispatch_is_open(dsn)


@pytest.mark.parametrize(("first", "second"), [("write", "write"), ("write", "read"), ("read", "write")])
def test_a_conflicting_dispatch_waits_for_the_open_one(dsn: str, first: str, second: str) -> None:
    with sessions(dsn, 2) as (one, other):
        one.begin()
        early = getattr(one, first)("r")
        late = other.start(lambda: getattr(other, second)("r"))
        assert other.blockers() == [one.pid]
        one.commit()
        assert early.ticket < late.result().ticket
        assert (early.ready, late.result().ready) == (True, False)


def test_dispatches_on_other_resources_do_not_wait(dsn: str) -> None:
    with sessions(dsn, 2) as (one, other):
        one.begin()
        one.write("r")
        assert other.start(lambda: other.write("s")).result(0).ready
        assert other.start(other.write).result(0).ready


def test_resources_asked_in_opposite_order_do_not_deadlock(dsn: str) -> None:
    with sessions(dsn, 3) as (holder, one, other):
        low, high = checks.in_latch_order(holder.conn, "left", "right")
        holder.begin()
        holder.write(low)
        first = one.start(lambda: one.dispatch(new_task([low, high])))
        second = other.start(lambda: other.dispatch(new_task([high, low])))
        assert holder.pid in one.blockers()
        assert other.blockers()
        holder.commit()
        assert {first.result()[0].ready, second.result()[0].ready} == {False}
        assert one.store.retries + other.store.retries == 0


def test_a_dispatch_that_is_rolled_back_leaves_nothing(dsn: str) -> None:
    with sessions(dsn, 2) as (one, other):
        one.begin()
        one.write("r")
        waiting = other.start(lambda: other.write("r"))
        one.rollback()
        assert waiting.result().ready
        assert [task["id"] for task in tables(other.conn).tasks] == [waiting.result().id]
        assert [line[1] for line in tables(other.conn).lines] == [waiting.result().id]


def test_a_batch_is_stored_whole_or_not_at_all(dsn: str, connect: Callable[[str], Connection]) -> None:
    engine = Engine(connect(dsn))
    known = new_task(["r"])
    engine.dispatch(known)
    with pytest.raises(IdConflict):
        engine.dispatch(new_task(["s"]), known)
    assert len(tables(engine.conn).tasks) == 1


@pytest.mark.parametrize("level", ["SERIALIZABLE", "REPEATABLE READ"])
def test_a_transaction_above_read_committed_is_refused(
    dsn: str, connect: Callable[[str], Connection], level: str
) -> None:
    engine = Engine(connect(dsn))
    engine.conn.isolation_level = psycopg.IsolationLevel[level.replace(" ", "_")]
    with pytest.raises(IsolationError, match="READ COMMITTED"), engine.conn.transaction():
        engine.store.dispatch([new_task(["r"])], conn=engine.conn)
    engine.conn.isolation_level = None
    assert tables(engine.conn).tasks == []


def test_more_resources_than_the_lock_table_should_hold_take_the_gate_alone(dsn: str) -> None:
    with sessions(dsn, 3) as (one, other, free):
        many = [new_task([f"r{n}-{m}" for m in range(50)]) for n in range(RESOURCES_MAX // 50 + 1)]
        one.begin()
        assert all(row.ready for row in one.dispatch(*many))
        held = one.conn.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = %s", [one.pid])
        assert held.fetchone() == (1,)
        late = other.start(lambda: other.write("r0-0"))
        assert other.blockers() == [one.pid]
        assert free.start(free.write).result(0).ready  # no resources, no gate
        one.commit()
        assert not late.result().ready


def test_the_gate_waits_for_dispatches_that_are_open(dsn: str) -> None:
    with sessions(dsn, 2) as (one, other):
        one.begin()
        early = one.write("r0-0")
        many = [new_task([f"r{n}-{m}" for m in range(50)]) for n in range(RESOURCES_MAX // 50 + 1)]
        late = other.start(lambda: other.dispatch(*many))
        assert other.blockers() == [one.pid]
        one.commit()
        assert early.ticket < late.result()[0].ticket
        assert [row.ready for row in late.result()[:2]] == [False, True]


@pytest.mark.parametrize("resources", [["r"], []])
def test_a_dispatch_repeated_while_the_first_is_still_open_makes_no_second_task(dsn: str, resources: list[str]) -> None:
    with sessions(dsn, 2) as (one, other):
        task = new_task(resources)
        one.begin()
        first = one.dispatch(task)
        repeated = other.start(lambda: other.dispatch(task, again=True))
        assert other.blockers() == [one.pid]
        one.commit()
        assert [row.ticket for row in repeated.result()] == [row.ticket for row in first]
        assert len(tables(other.conn).tasks) == 1


def test_an_id_twice_in_one_repeated_call_is_refused(dsn: str, connect: Callable[[str], Connection]) -> None:
    engine = Engine(connect(dsn))
    task = new_task(["r"])
    with pytest.raises(IdConflict):
        engine.dispatch(task, task, again=True)


def test_a_dispatch_repeated_after_the_end_of_the_task_makes_no_second_task(
    dsn: str, connect: Callable[[str], Connection]
) -> None:
    engine = Engine(connect(dsn))
    task = new_task(["r"])
    first = engine.dispatch(task)
    engine.finish(*engine.claim())
    assert engine.dispatch(task, again=True)[0].ticket == first[0].ticket
    with pytest.raises(IdConflict, match="before"):
        engine.dispatch(task)
    assert engine.at_rest()
