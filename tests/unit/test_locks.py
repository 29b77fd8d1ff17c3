"""The reference lock table says what it promises; most cases are scenes that a reader can follow by hand."""

from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from latchwork.core.locks import LockTable
from latchwork.core.resource import LockSet
from latchwork.core.states import CANCELED, CANCELING, COMPLETED, RUNNING


def writer(task: str, *resources: str, priority: int = 0) -> tuple[str, LockSet, int]:
    return task, LockSet(exclusive=resources), priority


def reader(task: str, *resources: str, priority: int = 0) -> tuple[str, LockSet, int]:
    return task, LockSet(shared=resources), priority


def token_of(task: str) -> str:
    return f"token of {task}"


def table(*tasks: tuple[str, LockSet, int]) -> LockTable:
    made = LockTable()
    made.dispatch(tasks)
    return made


def run(locks: LockTable, want: int = 100) -> list[str]:
    return locks.claim(want, token_of)


def end(locks: LockTable, task: str) -> None:
    assert locks.finish(task, token_of(task), COMPLETED)


def test_tasks_without_resources_are_ready_at_once() -> None:
    assert table(("a", LockSet(), 0), ("b", LockSet(), 0)).ready() == ["a", "b"]


def test_the_second_writer_waits_for_the_first() -> None:
    locks = table(writer("a", "r"), writer("b", "r"))
    assert locks.ready() == ["a"]
    run(locks)
    end(locks, "a")
    assert locks.ready() == ["b"]


def test_readers_share() -> None:
    assert table(reader("a", "r"), reader("b", "r")).ready() == ["a", "b"]


def test_a_reader_never_overtakes_a_writer_that_came_first() -> None:
    locks = table(reader("r1", "r"), writer("w", "r"), reader("r2", "r"))
    assert locks.ready() == ["r1"]


def test_the_last_reader_lets_the_writer_in_and_no_earlier_one() -> None:
    locks = table(reader("r1", "r"), reader("r2", "r"), writer("w", "r"))
    run(locks)
    end(locks, "r1")
    assert locks.ready() == []
    end(locks, "r2")
    assert locks.ready() == ["w"]


def test_a_writer_that_ends_lets_in_all_readers_before_the_next_writer() -> None:
    locks = table(writer("w1", "r"), reader("r1", "r"), reader("r2", "r"), writer("w2", "r"), reader("r3", "r"))
    run(locks)
    end(locks, "w1")
    assert locks.ready() == ["r1", "r2"]


def test_convoy_one_slow_writer_two_hundred_readers_one_writer() -> None:
    names = [f"r{n}" for n in range(200)]
    locks = table(writer("slow", "r"), *(reader(name, "r") for name in names), writer("last", "r"))
    run(locks)
    end(locks, "slow")
    assert locks.ready() == names
    run(locks, 200)
    for name in names:
        assert "last" not in locks.ready()
        end(locks, name)
    assert locks.ready() == ["last"]


def test_who_asks_both_modes_asks_exclusive() -> None:
    locks = table(("both", LockSet(("r",), ("r",)), 0), reader("b", "r"))
    assert locks.ready() == ["both"]
    assert locks.holders("r") == ["both"]


def test_locks_are_granted_one_by_one_but_the_task_is_ready_with_the_last() -> None:
    locks = table(writer("a", "x"), writer("b", "y"), writer("both", "x", "y"))
    run(locks)
    end(locks, "a")
    assert locks.holders("x") == ["both"]
    assert locks.pending(locks.tasks["both"]) == 1
    assert locks.ready() == []
    end(locks, "b")
    assert locks.ready() == ["both"]


def test_a_blocked_task_keeps_its_place_in_every_line() -> None:
    locks = table(writer("a", "x"), writer("both", "x", "y"), writer("later", "y"))
    assert locks.ready() == ["a"]  # later may not pass both on y, though both cannot run yet


def test_priority_orders_ready_tasks_and_never_a_line() -> None:
    locks = table(writer("a", "r"), writer("urgent", "r", priority=9), writer("b", "s"), writer("c", "t", priority=5))
    assert run(locks) == ["c", "a", "b"]


def test_a_waiting_writer_that_is_canceled_frees_the_readers_behind_it_at_once() -> None:
    locks = table(reader("r1", "r"), writer("w", "r"), reader("r2", "r"))
    assert locks.cancel("w") == CANCELED
    assert locks.ready() == ["r1", "r2"]


def test_a_running_task_is_asked_to_cancel_and_keeps_its_locks_until_it_ends() -> None:
    locks = table(writer("a", "r"), writer("b", "r"))
    run(locks)
    assert locks.cancel("a") == CANCELING
    assert locks.ready() == []
    end(locks, "a")
    assert locks.tasks["a"].state == CANCELED
    assert locks.ready() == ["b"]


def test_a_foreign_token_changes_nothing() -> None:
    locks = table(writer("a", "r"))
    run(locks)
    assert not locks.finish("a", "another", COMPLETED)
    assert locks.tasks["a"].state == RUNNING
    end(locks, "a")
    assert not locks.finish("a", token_of("a"), COMPLETED)


def test_unknown_and_final_tasks_cannot_be_canceled() -> None:
    locks = table(writer("a", "r"))
    assert locks.cancel("nobody") is None
    run(locks)
    end(locks, "a")
    assert locks.cancel("a") == COMPLETED


def test_a_repeated_dispatch_keeps_the_first_place() -> None:
    locks = table(writer("a", "r"), writer("b", "r"))
    again = locks.dispatch([writer("b", "r"), writer("a", "r")])
    assert [entry.ticket for entry in again] == [2, 1]
    assert len(locks.lines["r"]) == 2


def test_no_line_is_left_when_all_is_done() -> None:
    locks = table(writer("a", "r", "s"), reader("b", "r"))
    for _ in range(2):
        for task in run(locks):
            end(locks, task)
    assert locks.lines == {}


NAMES = st.sets(st.sampled_from("xyz"), max_size=3)
LOCKS = st.builds(lambda mine, others: LockSet(tuple(sorted(mine)), tuple(sorted(others - mine))), NAMES, NAMES)


@given(st.lists(LOCKS, max_size=12), st.randoms(use_true_random=False))
def test_whatever_the_lock_sets_conflicting_tasks_start_in_ticket_order_and_never_overlap(
    sets: list[LockSet], random: Random
) -> None:
    locks = table(*((str(n), lock_set, 0) for n, lock_set in enumerate(sets)))
    running: list[str] = []
    started: list[str] = []
    while len(started) < len(sets) or running:
        claimed = run(locks, random.randint(0, 3))
        started += claimed
        running += claimed
        for n, one in enumerate(running):
            assert not any(sets[int(one)].conflicts_with(sets[int(other)]) for other in running[n + 1 :])
        if running:
            end(locks, running.pop(random.randrange(len(running))))
        else:
            assert locks.ready()  # nothing runs and something is left: something must be ready
    for n, late in enumerate(started):
        conflicting = [early for early in started[:n] if sets[int(early)].conflicts_with(sets[int(late)])]
        assert all(int(early) < int(late) for early in conflicting)
    assert all(entry.state == COMPLETED for entry in locks.tasks.values())
