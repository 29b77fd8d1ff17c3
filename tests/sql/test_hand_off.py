"""The hand-off: a finish claims what it makes ready in the same write, but only where a claim would have taken it."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest

from latchwork import App
from latchwork.core.task import Advance, Claimed, Finish
from tests.support.drainer import Drainer


@pytest.fixture
def app(dsn: str) -> Iterator[App]:
    with App(dsn) as app:

        @app.task(name="known")
        def known() -> None: ...

        yield app


def dispatch(app: App, **options: object) -> str:
    return app.dispatch("known", **options).id  # type: ignore[arg-type]  # options of dispatch


def hand_off(drainer: Drainer, done: Claimed, want: int) -> Advance:
    return drainer.advance([Finish(done.id, done.token, "completed")], want)


def test_the_successor_is_claimed_by_the_finish(app: App) -> None:
    first, second = (dispatch(app, exclusive=["r"]) for _ in range(2))
    drainer = Drainer(app)
    (running,) = drainer.claim(1)
    assert running.id == first
    (successor,) = hand_off(drainer, running, 1).claimed
    task = app.get(second)
    assert (successor.id, successor.attempt, successor.ticket) == (second, 1, task.ticket)
    assert task.state == "running"
    assert task.unblocked_at is not None
    assert task.started_at is not None
    assert task.unblocked_at <= task.started_at
    drainer.finish([successor])
    assert app.counts() == {"completed": 2}


def test_what_is_more_urgent_and_ready_goes_first(app: App) -> None:
    dispatch(app, exclusive=["r"])
    second = dispatch(app, exclusive=["r"])
    drainer = Drainer(app)
    (running,) = drainer.claim(1)
    urgent = dispatch(app, priority=5)
    assert [task.id for task in hand_off(drainer, running, 1).claimed] == [urgent]
    assert app.get(second).ready


def test_of_more_than_is_wanted_the_most_urgent_is_taken(app: App) -> None:
    dispatch(app, exclusive=["r"])
    dispatch(app, shared=["r"])
    urgent = dispatch(app, shared=["r"], priority=5)
    drainer = Drainer(app)
    (running,) = drainer.claim(1)
    answer = hand_off(drainer, running, 1)
    assert [task.id for task in answer.claimed] == [urgent]
    assert answer.more
    assert app.counts() == {"completed": 1, "running": 1, "ready": 1}


def test_a_name_the_node_does_not_know_stays_ready(app: App) -> None:
    dispatch(app, exclusive=["r"])
    second = dispatch(app, exclusive=["r"])
    drainer = Drainer(app)
    (running,) = drainer.claim(1)
    other = Drainer(app)
    other.node, other._names = drainer.node, [str(uuid.uuid4())]
    assert hand_off(other, running, 1).claimed == ()
    assert app.get(second).ready


def test_a_task_that_waits_for_another_lock_is_not_taken(app: App) -> None:
    dispatch(app, exclusive=["a"])
    dispatch(app, exclusive=["b"])
    both = dispatch(app, exclusive=["a", "b"])
    drainer = Drainer(app)
    first, second = drainer.claim(2)
    assert hand_off(drainer, first, 2).claimed == ()
    assert app.get(both).blocked
    assert [task.id for task in hand_off(drainer, second, 2).claimed] == [both]
