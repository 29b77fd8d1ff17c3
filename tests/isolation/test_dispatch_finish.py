"""A client leaves its transaction open after dispatching. It delays other dispatches, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import pytest

from latchwork.db.records import Stored
from tests.support.engine import new_task
from tests.support.eventually import eventually
from tests.support.sessions import LIMIT_S, Session, sessions


class Scene(NamedTuple):
    """One writer runs, one waits; a stranger has dispatched a third and keeps its transaction open."""

    node: Session
    stranger: Session
    running: Stored
    follower: Stored
    late: Stored


@pytest.fixture
def scene(dsn: str) -> Iterator[Scene]:
    with sessions(dsn, 2) as (node, stranger):
        running, follower = node.write("r"), node.write("r")
        assert node.claim() == [running.id]
        stranger.begin()
        yield Scene(node, stranger, running, follower, stranger.write("r"))


def settle_until_ready(node: Session, task: str) -> None:
    eventually(lambda: node.settle() or task in node.ready(), LIMIT_S, "the line is settled")
    eventually(lambda: node.settle() is None, LIMIT_S, "no line is unsettled")
    assert node.ready() == [task]


def test_a_finish_does_not_wait_and_hands_the_lock_to_who_waited(scene: Scene) -> None:
    step = scene.node.start(lambda: scene.node.advance([scene.running.id], 1)).result(0)
    assert [claimed.id for claimed in step.claimed] == [scene.follower.id]
    assert step.settle_ms is not None  # a stranger may have seen the released request: look again


def test_a_cancel_does_not_wait(scene: Scene) -> None:
    assert scene.node.start(lambda: scene.node.cancel(scene.follower.id)).result(0) == "canceled"


def test_the_late_task_becomes_ready_after_the_strangers_commit(scene: Scene) -> None:
    scene.node.advance([scene.running.id], 1)
    scene.node.finish(scene.follower.id)
    assert scene.node.ready() == []
    scene.node.settle()
    scene.stranger.commit()
    assert not scene.late.ready
    settle_until_ready(scene.node, scene.late.id)


def test_the_late_task_keeps_its_place_behind_who_waited(scene: Scene) -> None:
    scene.stranger.commit()
    step = scene.node.advance([scene.running.id], 5)
    assert [claimed.id for claimed in step.claimed] == [scene.follower.id]
    assert step.settle_ms is None


def test_a_rolled_back_stranger_leaves_the_line_free(scene: Scene) -> None:
    scene.node.advance([scene.running.id], 1)
    scene.node.finish(scene.follower.id)
    scene.stranger.rollback()
    eventually(lambda: scene.node.settle() is None, LIMIT_S, "the line is settled")
    assert scene.node.write("r").ready


def test_a_reader_that_ends_under_an_open_writer_dispatch_is_looked_at_again(dsn: str) -> None:
    with sessions(dsn, 2) as (node, stranger):
        reader = node.read("r")
        assert node.claim() == [reader.id]
        stranger.begin()
        late = stranger.write("r")
        step = node.start(lambda: node.finish(reader.id)).result(0)
        assert step.settle_ms is not None
        stranger.commit()
        settle_until_ready(node, late.id)


def test_a_reader_that_ends_under_an_open_reader_dispatch_settles_at_once(dsn: str) -> None:
    with sessions(dsn, 2) as (node, stranger):
        reader = node.read("r")
        assert node.claim() == [reader.id]
        stranger.begin()
        stranger.read("r")
        assert node.start(lambda: node.finish(reader.id)).result(0).settle_ms is None


def test_an_open_dispatch_under_the_gate_delays_no_finish(dsn: str) -> None:
    with sessions(dsn, 2) as (node, stranger):
        task, follower = node.write("r"), node.write("r")
        assert node.claim() == [task.id]
        stranger.begin()
        stranger.dispatch(*(new_task([f"s{n}-{m}" for m in range(50)]) for n in range(21)))
        step = node.start(lambda: node.advance([task.id], 1)).result(0)
        assert [claimed.id for claimed in step.claimed] == [follower.id]
        stranger.commit()
        eventually(lambda: node.settle() is None, LIMIT_S, "the line is settled")


def test_a_dispatch_waits_for_an_open_finish_and_then_sees_the_line_as_it_is(dsn: str) -> None:
    with sessions(dsn, 2) as (node, client):
        task = node.write("r")
        node.claim()
        node.begin()
        node.finish(task.id)
        late = client.start(lambda: client.write("r"))
        assert client.blockers() == [node.pid]
        node.commit()
        assert late.result().ready
