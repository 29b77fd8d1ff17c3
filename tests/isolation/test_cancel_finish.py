"""A cancel beside a finish on the same line."""

from __future__ import annotations

from tests.support.eventually import eventually
from tests.support.sessions import LIMIT_S, Session, sessions


def settle(session: Session) -> None:
    eventually(lambda: session.settle() is None, LIMIT_S, "no line is unsettled")


def test_a_writer_between_readers_is_canceled_while_a_reader_finishes(dsn: str) -> None:
    with sessions(dsn, 2) as (node, client):
        before = node.read("r")
        writer, after = node.write("r"), node.read("r")
        node.claim()
        node.begin()
        node.finish(before.id)
        canceled = client.start(lambda: client.cancel(writer.id))
        node.commit()
        assert canceled.result() in {"canceled", "canceling"}
        settle(client)
        if canceled.result() == "canceling":
            assert node.claim() == [writer.id]
            node.finish(writer.id)
        assert node.ready() == [after.id]


def test_a_reader_finishes_while_the_writer_behind_it_is_canceled(dsn: str) -> None:
    with sessions(dsn, 2) as (node, client):
        before = node.read("r")
        writer, after = node.write("r"), node.read("r")
        node.claim()
        client.begin()
        assert client.cancel(writer.id) == "canceled"
        finished = node.start(lambda: node.finish(before.id))
        client.commit()
        finished.result()
        settle(node)
        assert node.ready() == [after.id]
        assert node.state(writer.id) == "canceled"


def test_cancel_of_a_task_whose_finish_is_open_waits_and_finds_it_final(dsn: str) -> None:
    with sessions(dsn, 2) as (node, client):
        task = node.write("r")
        node.claim()
        node.begin()
        node.finish(task.id)
        answer = client.start(lambda: client.cancel(task.id))
        assert client.blockers() == [node.pid]
        node.commit()
        assert answer.result() == "completed"


def test_finish_of_a_task_whose_cancel_is_open_ends_canceled(dsn: str) -> None:
    with sessions(dsn, 2) as (node, client):
        task = node.write("r")
        node.claim()
        client.begin()
        assert client.cancel(task.id) == "canceling"
        finished = node.start(lambda: node.finish(task.id))
        assert node.blockers() == [client.pid]
        client.commit()
        assert finished.result().refused == ()
        assert node.state(task.id) == "canceled"


def test_two_cancels_of_one_waiting_task_end_it_once(dsn: str) -> None:
    with sessions(dsn, 2) as (one, other):
        holder, task = one.write("r"), one.write("r")
        one.begin()
        assert one.cancel(task.id) == "canceled"
        second = other.start(lambda: other.cancel(task.id))
        one.commit()
        assert second.result() == "canceled"
        assert one.ready() == [holder.id]


def test_both_waiting_neighbours_are_canceled_at_once(dsn: str) -> None:
    with sessions(dsn, 2) as (one, other):
        reader = one.read("r")
        first, second, last = one.write("r"), one.write("r"), one.read("r")
        one.begin()
        assert one.cancel(first.id) == "canceled"
        answer = other.start(lambda: other.cancel(second.id))
        one.commit()
        assert answer.result() == "canceled"
        settle(one)
        assert one.ready() == [reader.id, last.id]
