"""Two nodes finish at once, on one line or on lines of one task."""

from __future__ import annotations

from tests.support import checks
from tests.support.eventually import eventually
from tests.support.sessions import LIMIT_S, sessions


def test_the_last_of_two_readers_lets_the_writer_in(dsn: str) -> None:
    checks.the_last_of_two_readers_lets_the_writer_in(dsn)


def test_the_second_of_two_last_readers_waits_for_the_first_ones_grant(dsn: str) -> None:
    with sessions(dsn, 2) as (one, other):
        one.read("r"), other.read("r"), one.write("r")
        (mine,), (theirs,) = one.claim(1), other.claim(1)
        one.begin()
        one.finish(mine)
        last = other.start(lambda: other.finish(theirs))
        assert other.blockers() == [one.pid]
        one.commit()
        last.result()


def test_readers_without_a_waiting_writer_do_not_wait_for_each_other(dsn: str) -> None:
    with sessions(dsn, 2) as (one, other):
        one.read("r"), other.read("r")
        (mine,), (theirs,) = one.claim(1), other.claim(1)
        one.begin()
        one.finish(mine)
        assert other.start(lambda: other.finish(theirs)).result(0).settle_ms is None
        one.commit()
        assert other.at_rest()


def test_two_lines_of_one_task_are_granted_by_two_finishes_and_the_last_makes_it_ready(dsn: str) -> None:
    with sessions(dsn, 2) as (one, other):
        one.write("x"), one.write("y")
        both = one.write("x", "y")
        (mine,), (theirs,) = one.claim(1), other.claim(1)
        one.begin()
        one.finish(mine)
        last = other.start(lambda: other.finish(theirs))
        assert other.blockers() == [one.pid]  # for the row of the task that both grant
        one.commit()
        last.result()
        assert one.ready() == [both.id]


def test_finishes_of_many_crossing_tasks_do_not_deadlock(dsn: str) -> None:
    with sessions(dsn, 3) as (holder, one, other):
        for resource in ("v", "w", "x", "y"):
            one.write(resource)
        crossing = [one.write("v", "y").id, one.write("w", "x").id, one.write("v", "w", "x", "y").id]
        mine, theirs = one.claim(2), other.claim(2)
        holder.begin()
        holder.conn.execute("SELECT pg_advisory_xact_lock(latchwork.grant_key(r)) FROM unnest('{v,w,x,y}'::text[]) r")
        first = one.start(lambda: one.finish(*mine))
        second = other.start(lambda: other.finish(*reversed(theirs)))
        assert one.blockers() == other.blockers() == [holder.pid]
        holder.commit()
        first.result(), second.result()
        assert one.ready() == crossing[:2]
        assert one.store.retries + other.store.retries == 0
        assert one.claim() == crossing[:2]
        one.finish(*crossing[:2])
        assert one.claim() == crossing[2:]


def test_a_finish_that_is_rolled_back_leaves_the_task_running(dsn: str) -> None:
    with sessions(dsn, 2) as (one, other):
        task, follower = one.write("r"), one.write("r")
        one.claim()
        one.begin()
        one.finish(task.id)
        one.rollback()
        assert other.state(task.id) == "running"
        one.finish(task.id)
        eventually(lambda: other.ready() == [follower.id], LIMIT_S, "the follower is ready")
