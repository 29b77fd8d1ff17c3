"""Scenes in which other task systems got stuck or lost their order, each named by the report it comes from."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.support.engine import NAME, Connection, Engine, new_task, store_on, tables


@pytest.fixture
def engine(dsn: str, connect: Callable[[str], Connection]) -> Engine:
    return Engine(connect(dsn))


def drain(engine: Engine) -> list[str]:
    """Run all that can run, one at a time. Returns the ids in the order of their starts."""
    order: list[str] = []
    done: list[str] = []
    while claimed := [each.id for each in engine.advance(done, 1).claimed]:
        order += claimed
        done = claimed
    return order


def test_6873_two_dispatches_in_a_row_on_one_resource_are_both_run(engine: Engine) -> None:
    first, second = engine.write("r"), engine.write("r")
    assert drain(engine) == [first.id, second.id]
    assert engine.at_rest()


def test_6873_a_dispatch_between_the_claim_and_the_finish_of_the_one_before_is_handed_over(engine: Engine) -> None:
    first = engine.write("r")
    engine.claim()
    second = engine.write("r")
    assert [claimed.id for claimed in engine.advance([first.id], 1).claimed] == [second.id]


def test_7616_arrival_order_holds_when_a_task_waits_for_another_resource_too(engine: Engine) -> None:
    holder = engine.write("other")
    both = engine.write("r", "other")
    later = engine.write("r")
    assert engine.claim() == [holder.id]  # later may not pass both, though r is free
    engine.finish(holder.id)
    assert drain(engine) == [both.id, later.id]


def test_more_than_twenty_tasks_on_one_resource_do_not_stall(engine: Engine) -> None:
    on_one = [engine.write("r").id for _ in range(60)]
    assert drain(engine) == on_one
    assert engine.at_rest()


def test_7900_a_long_line_does_not_hold_up_tasks_of_others(engine: Engine) -> None:
    engine.dispatch(*(new_task(["busy"], priority=100) for _ in range(1_000)))
    tenant = engine.write("mine")
    assert tenant.ready
    assert tenant.id in engine.claim(2)


def test_w01_cancel_of_a_blocked_task_is_final_at_once_and_frees_its_followers(engine: Engine) -> None:
    reader = engine.read("r")
    blocked = engine.write("r", "s")
    followers = [engine.read("r").id, engine.write("s").id]
    assert engine.cancel(blocked.id) == "canceled"
    assert engine.state(blocked.id) == "canceled"
    assert engine.ready() == [reader.id, *followers]


def test_w02_a_node_that_starts_late_finds_what_was_dispatched_before(engine: Engine) -> None:
    waiting = [engine.write("r").id, engine.read("s").id]
    late = Engine(engine.conn, "00000000-0000-0000-0000-00000000000f")
    assert drain(late) == waiting


def test_w11_a_dispatch_on_a_busy_resource_leaves_an_ordinary_waiting_task_that_any_node_takes(engine: Engine) -> None:
    holder, waiting = engine.write("r"), engine.write("r")
    assert not waiting.ready
    engine.claim()
    other = Engine(engine.conn, "00000000-0000-0000-0000-00000000000f")
    assert other.claim() == []
    engine.finish(holder.id)
    assert other.claim() == [waiting.id]


def test_w31_a_task_that_this_node_cannot_run_keeps_nothing_from_the_node_that_can(engine: Engine) -> None:
    (foreign,) = engine.dispatch(new_task(["r"], name="foreign"))
    mine = engine.write("s")
    assert engine.claim() == [mine.id]
    other = store_on(engine.conn).advance("00000000-0000-0000-0000-00000000000f", ["foreign", NAME], [], 5)
    assert [claimed.id for claimed in other.claimed] == [foreign.id]


@pytest.mark.parametrize("count", [1, 2])
def test_w32_both_modes_on_one_resource_are_one_exclusive_lock_and_leave_nothing(engine: Engine, count: int) -> None:
    stored = engine.dispatch(*(new_task(["r"], ["r"]) for _ in range(count)))
    reader = engine.read("r")
    assert [row.ready for row in (*stored, reader)] == [True] + [False] * count
    assert [line[2] for line in tables(engine.conn).lines] == [True] * count + [False]
    assert drain(engine) == [row.id for row in (*stored, reader)]
    assert engine.at_rest()


def test_resource_names_are_compared_byte_for_byte(engine: Engine) -> None:
    assert all(engine.write(name).ready for name in ("r", "R", "r ", "\u00e9", "e\u0301"))
