"""The checkers of the torture run, on histories made by hand: good ones pass, and each can fail."""

from __future__ import annotations

import pytest

from latchwork.core.resource import LockSet
from tests.support.checkers import Final, Run, Sent, disorder, illegal_ends, late_tickets, losses, overlaps

W, R = LockSet(exclusive=("r",)), LockSet(shared=("r",))
OTHER = LockSet(exclusive=("s",))


def run(ticket: int, locks: LockSet, start: float, end: float) -> Run:
    return Run(f"t{ticket}", ticket, locks, start, end)


def sent(ticket: int, locks: LockSet, after: float, before: float) -> Sent:
    return Sent(f"t{ticket}", ticket, locks, after, before)


@pytest.mark.parametrize(
    "runs",
    [
        [run(1, W, 0, 1), run(2, W, 1, 2)],
        [run(1, R, 0, 5), run(2, R, 1, 2), run(3, W, 5, 6)],
        [run(1, W, 0, 9), run(2, OTHER, 1, 2)],
    ],
)
def test_runs_that_do_not_conflict_or_follow_each_other_are_fine(runs: list[Run]) -> None:
    assert overlaps(runs) == []
    assert disorder(runs) == []


@pytest.mark.parametrize(
    "runs",
    [
        [run(1, W, 0, 2), run(2, W, 1, 3)],
        [run(1, R, 0, 2), run(2, W, 1, 3)],
        [run(1, W, 0, 2), run(2, R, 1, 3)],
        [run(1, R, 0, 9), run(2, R, 1, 2), run(3, W, 3, 4)],  # the first reader still runs
        [run(1, W, 0, 9), run(2, R, 9, 10), run(3, W, 8, 9)],
    ],
)
def test_an_overlap_is_found(runs: list[Run]) -> None:
    assert overlaps(runs)
    assert overlaps(reversed(runs))


@pytest.mark.parametrize(
    "runs",
    [
        [run(2, W, 0, 1), run(1, W, 1, 2)],
        [run(2, W, 0, 1), run(1, R, 1, 2)],
        [run(2, R, 0, 1), run(1, W, 1, 2)],
        [run(1, W, 5, 6), run(2, R, 7, 8), run(3, R, 0, 1)],  # the second reader overtook the writer
    ],
)
def test_a_start_out_of_ticket_order_is_found(runs: list[Run]) -> None:
    assert disorder(runs)
    assert disorder(reversed(runs))


def test_readers_may_start_in_any_order() -> None:
    assert disorder([run(2, R, 0, 1), run(1, R, 1, 2)]) == []


def test_tickets_in_commit_order_are_fine() -> None:
    assert late_tickets([sent(1, W, 0, 2), sent(2, W, 1, 3), sent(3, R, 4, 5)]) == []
    assert late_tickets([sent(2, R, 0, 1), sent(1, R, 2, 3)]) == []  # readers do not conflict


@pytest.mark.parametrize(("one", "other"), [(W, W), (W, R), (R, W)])
def test_a_ticket_committed_after_a_greater_one_is_found(one: LockSet, other: LockSet) -> None:
    assert late_tickets([sent(1, one, 2, 3), sent(2, other, 0, 1)])


DONE = Final("t1", "completed", 1, started=True)
UNSEEN = Final("t2", "canceled", 0, started=False)


def test_what_was_acknowledged_and_ended_once_is_fine() -> None:
    assert losses({"t1", "t2"}, [DONE, UNSEEN]) == []
    assert illegal_ends([DONE, UNSEEN], [run(1, W, 0, 1)]) == []


def test_a_lost_an_unexpected_and_a_doubled_task_are_found() -> None:
    assert losses({"t1", "t3"}, [DONE]) == ["t3 was acknowledged and is not final"]
    assert losses(set(), [DONE]) == ["t1 is final and was never dispatched"]
    assert losses({"t1"}, [DONE, DONE]) == ["1 tasks are final twice"]


@pytest.mark.parametrize(
    ("final", "runs"),
    [
        (DONE._replace(state="running"), 1),
        (DONE, 0),
        (DONE, 2),
        (DONE._replace(attempt=2), 1),
        (UNSEEN._replace(started=True), 0),
    ],
)
def test_an_end_that_does_not_fit_is_found(final: Final, runs: int) -> None:
    assert illegal_ends([final], [run(int(final.task[1:]), W, 0, 1)] * runs)
