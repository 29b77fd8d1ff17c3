"""Scenes that show one promise of the lock engine each. Tests run them on the real schema; the canary tests run them
on schemas with a planted fault, where each must fail. They never hang: a call that waits is seen in the server.
"""

from __future__ import annotations

import uuid

from latchwork.core.task import Finish
from tests.support.engine import NAME, Connection
from tests.support.sessions import sessions


def in_latch_order(conn: Connection, *resources: str) -> list[str]:
    """The resources in the order in which a dispatch latches them."""
    rows = conn.execute("SELECT r FROM unnest(%s::text[]) r ORDER BY latchwork.latch_key(r)", [list(resources)])
    return [resource for (resource,) in rows]


def ticket_order_is_commit_order(dsn: str) -> None:
    """A dispatch that waits for a latch draws its ticket afterwards, so one that commits meanwhile stands before it."""
    with sessions(dsn, 3) as (holder, waiting, quick):
        low, high = in_latch_order(holder.conn, "left", "right")
        holder.begin()
        first = holder.write(low)
        late = waiting.start(lambda: waiting.write(low, high))
        assert waiting.blockers() == [holder.pid]
        early = quick.start(lambda: quick.write(high)).result(0)
        holder.commit()
        assert first.ticket < early.ticket < late.result().ticket


def readers_share_while_a_dispatch_is_open(dsn: str) -> None:
    """Two dispatches that share a resource don't wait for each other, though the first one's transaction is open."""
    with sessions(dsn, 2) as (one, other):
        one.begin()
        first = one.read("r")
        second = other.start(lambda: other.read("r"))
        assert second.done()
        assert first.ready
        assert second.result().ready
        one.commit()
        assert other.ready() == [first.id, second.result().id]


def the_last_of_two_readers_lets_the_writer_in(dsn: str) -> None:
    """Of two readers that finish at the same time exactly one sees that it is the last, and grants the writer."""
    with sessions(dsn, 2) as (one, other):
        one.read("r"), other.read("r")
        writer = one.write("r")
        (mine,), (theirs,) = one.claim(1), other.claim(1)
        one.begin()
        one.finish(mine)
        assert one.ready() == []
        last = other.start(lambda: other.finish(theirs))
        one.commit()
        last.result()
        assert one.ready() == [writer.id]


def a_finish_needs_the_token(dsn: str) -> None:
    """An outcome whose token does not own the task changes nothing and is refused."""
    with sessions(dsn, 1) as (node,):
        task = node.write("r")
        follower = node.write("r")
        assert node.claim() == [task.id]
        stale = Finish(task.id, str(uuid.uuid4()), "completed", "null")
        answer = node.store.advance(node.node, [NAME], [stale], 1)
        assert answer.refused == (task.id,)
        assert answer.claimed == ()
        assert node.state(task.id) == "running"
        assert node.state(follower.id) == "waiting"


def two_claimers_never_get_the_same_task(dsn: str) -> None:
    """A claimer skips what another one is taking, and never takes what is taken."""
    with sessions(dsn, 2) as (one, other):
        tasks = [one.write().id for _ in range(3)]
        one.begin()
        assert one.claim(1) == [tasks[0]]
        second = other.start(lambda: other.claim(1))
        assert second.done()
        assert second.result() == [tasks[1]]
        one.commit()
        assert other.claim(1) == [tasks[2]]
        assert one.claim(1) == []
