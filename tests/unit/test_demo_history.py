from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from examples.repo_manager.python_install import Source, job
from latchwork.cli.demo_history import chain, figures, kind, label, overlaps, percentile, problems, waits
from latchwork.core.resource import LockSet
from latchwork.core.task import Task
from tests.support.histories import Work, faultless, task

NAMES = st.lists(st.sampled_from(["repo:a", "repo:b", "dist:x", "store"]), max_size=3)
WORKS = st.lists(
    st.builds(
        Work, st.sampled_from(["sync", "publish", "verify"]), NAMES, NAMES, st.sampled_from([0.5, 1.0, 1.25, 3.0])
    ),
    max_size=25,
)


def real_job() -> list[Work]:
    """The demo's own job, with the locks that its tasks take."""
    steps = job([Source(f"r{number}", "/folder", [str(number)]) for number in range(12)])
    return [work_of(step.task, step.kwargs) for step in steps]


def work_of(name: str, kwargs: dict[str, Any]) -> Work:
    repo, dist = f"repo:{kwargs.get('repo')}", f"dist:{kwargs.get('distribution')}"
    return {
        "sync": Work("sync", [repo], ["store"], 0.4),
        "publish": Work("publish", [dist], [repo, "store"], 0.1),
        "verify": Work("verify", [], [dist, "store"], 0.3),
        "remove_orphans": Work("remove_orphans", ["store"], [], 0.2),
    }[name]


def conflicts_broken(history: list[Task]) -> bool:
    """The definition, pair by pair: of two conflicting tasks, the earlier ended before the later was ready."""
    return any(
        LockSet(one.exclusive, one.shared).conflicts_with(LockSet(other.exclusive, other.shared))
        and (one.finished_at or 0) > (other.unblocked_at or 0)
        for place, one in enumerate(history)
        for other in history[place + 1 :]
    )


def moved(one: Task, by: float) -> Task:
    """The task as if all that happened to it after its dispatch had happened so much later."""
    later = {name: getattr(one, name) + by for name in ("unblocked_at", "started_at", "finished_at")}
    return one._replace(**later)


# --- good histories


@given(WORKS, st.integers(1, 5))
def test_a_faultless_run_has_no_problems(works: list[Work], slots: int) -> None:
    history = faultless(works, slots)
    assert problems(history, [one.id for one in history]) == []


def test_the_demo_job_run_without_faults_has_no_problems_and_real_conflicts() -> None:
    history = faultless(real_job())
    assert problems(history) == []
    assert len(waits(history)) > len(history) / 2


def test_neighbours_that_touch_at_one_moment_do_not_overlap() -> None:
    locks = LockSet(("a",))
    assert overlaps([task(1, "x", locks), task(2, "y", locks, unblocked_at=1.0, started_at=1.0, finished_at=2.0)]) == []


def test_shared_tasks_may_run_at_once() -> None:
    assert overlaps([task(1, "x", LockSet((), ("a",))), task(2, "y", LockSet((), ("a",)))]) == []


# --- planted faults


@given(WORKS, st.data())
def test_a_moved_task_is_reported_exactly_if_it_breaks_the_rule(works: list[Work], data: st.DataObject) -> None:
    history = faultless(works)
    if not history:
        return
    place = data.draw(st.integers(0, len(history) - 1))
    one, by = history[place], data.draw(st.sampled_from([-2.0, -0.75, -0.25, 0.25, 0.75, 2.0]))
    history[place] = moved(one, by)
    assert bool(overlaps(history)) == conflicts_broken(history)


def test_a_writer_beside_a_reader_is_reported_with_both_the_resource_and_how_long() -> None:
    history = [
        task(1, "sync", LockSet(("repo:a",), ("store",))),
        task(2, "remove_orphans", LockSet(("store",)), unblocked_at=0.5, started_at=0.75, finished_at=2.0),
    ]
    assert problems(history) == ["remove_orphans overlapped with sync a by 250.0 ms, on store"]


def test_the_one_of_many_readers_that_was_still_there_is_found() -> None:
    readers = [task(n, f"r{n}", LockSet((), ("a",)), finished_at=9.0 if n == 3 else 1.0) for n in range(1, 6)]
    writer = task(6, "w", LockSet(("a",)), unblocked_at=1.0, started_at=1.0, finished_at=2.0)
    assert overlaps([*readers, writer]) == ["w overlapped with r3 by 1000.0 ms, on a"]


def test_a_task_that_overtook_is_reported_though_nothing_overlapped() -> None:
    late = task(1, "first", LockSet(("a",)), unblocked_at=5.0, started_at=5.0, finished_at=6.0)
    assert overlaps([late, task(2, "second", LockSet(("a",)))]) == ["second overtook first, which came before it, on a"]


def test_a_lock_granted_too_early_is_reported_though_nothing_overlapped() -> None:
    early = task(2, "second", LockSet(("a",)), unblocked_at=0.5, started_at=2.0, finished_at=3.0)
    assert overlaps([task(1, "first", LockSet(("a",))), early]) == ["second was ready before first had ended, on a"]


def test_a_task_without_an_end_holds_its_locks_for_ever() -> None:
    running = task(1, "first", LockSet(("a",)), state="running", finished_at=None)
    assert "second overlapped with first" in overlaps([running, task(2, "second", LockSet(("a",)))])[0]


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"state": "failed", "error": {"type": "CorruptError", "message": "damaged"}}, "failed: CorruptError: damaged"),
        ({"state": "running", "finished_at": None}, "sync is running"),
        ({"state": "waiting", "unblocked_at": None, "started_at": None, "finished_at": None}, "sync is waiting"),
        ({"state": "canceled"}, "sync is canceled"),
        ({"started_at": None}, "times out of order or missing"),
        ({"started_at": 3.0}, "times out of order or missing"),
        ({"unblocked_at": None}, "times out of order or missing"),
    ],
)
def test_a_task_that_did_not_complete_in_order_is_reported(wrong: dict[str, Any], says: str) -> None:
    found = problems([task(1, "sync", **wrong)])
    assert len(found) == 1
    assert says in found[0]


def test_a_lost_task_and_a_doubled_one_are_reported() -> None:
    one, two = task(1, "a"), task(2, "b")
    assert problems([one], [one.id, two.id]) == [f"task {two.id} is not in the history"]
    assert problems([one, one], [one.id]) == [f"task {one.id} is in the history 2 times"]


# --- who waited for whom


def test_a_task_waited_for_the_blocker_that_ended_last() -> None:
    history = faultless(
        [Work("sync", ["repo:a"], [], 1.0), Work("sync", ["repo:b"], [], 3.0), Work("merge", ["repo:a", "repo:b"])]
    )
    link = waits(history)[history[2].id]
    assert (label(link.earlier), link.resource) == ("sync b", "repo:b")
    assert history[0].id not in waits(history)


def test_while_it_goes_on_a_task_waits_for_one_that_has_no_end_yet() -> None:
    ended, running = task(1, "a", LockSet(("x",))), task(2, "b", LockSet(("y",)), state="running", finished_at=None)
    waiting = task(3, "c", LockSet(("x", "y")), state="waiting", unblocked_at=None, started_at=None, finished_at=None)
    assert waits([ended, running, waiting])[waiting.id].earlier == running


def test_a_task_created_after_its_blocker_ended_did_not_wait() -> None:
    late = task(2, "b", LockSet(("x",)), created_at=2.0, unblocked_at=2.0, started_at=2.0, finished_at=3.0)
    assert waits([task(1, "a", LockSet(("x",))), late]) == {}


def test_the_chain_leads_from_a_task_that_waited_for_nobody_to_the_last() -> None:
    history = faultless([Work("a", ["x"]), Work("b", ["x", "y"]), Work("c", ["y"], [], 2.0), Work("d", ["z"])])
    assert [(kind(link.earlier), link.resource, kind(link.later)) for link in chain(history)] == [
        ("a", "x", "b"),
        ("b", "y", "c"),
    ]
    assert chain([]) == chain([task(1, "alone")]) == []


@given(WORKS)
def test_in_a_faultless_run_each_task_is_ready_when_the_one_it_waited_for_ends(works: list[Work]) -> None:
    history = faultless(works)
    found = waits(history)
    for one in history:
        assert one.unblocked_at == (found[one.id].earlier.finished_at if one.id in found else 0.0)


# --- figures


def test_the_figures_of_a_small_run() -> None:
    history = faultless(
        [Work("sync", ["repo:a"]), Work("publish", ["dist:x"], ["repo:a"]), Work("sync", ["repo:b"])], 2
    )
    assert figures(history) == {
        "tasks": 3,
        "tasks_by_state": {"completed": 3},
        "tasks_by_kind": {"sync": 2, "publish": 1},
        "waited_for_others": 1,
        "wall_s": 2.0,
        "busy_s": 3.0,
        "parallel": 1.5,
        "wait_after_ready_p50_ms": 0.0,
        "wait_after_ready_p95_ms": 0.0,
        "blocked_p50_ms": 0.0,
        "blocked_p95_ms": 1000.0,
    }


def test_figures_of_nothing_are_zeros() -> None:
    assert figures([])["wall_s"] == 0.0


def test_percentiles_are_values_that_occurred() -> None:
    assert [percentile([1.0, 2.0, 3.0, 4.0], percent) for percent in (0, 25, 50, 95, 100)] == [1.0, 1.0, 2.0, 4.0, 4.0]
    assert percentile([], 50) == 0.0


def test_a_label_names_the_function_and_its_resources() -> None:
    assert label(task(1, "publish", LockSet(("dist:stable",), ("repo:a", "store")))) == "publish a → stable"
    assert label(task(1, "remove_orphans", LockSet(("store",)))) == "remove_orphans"
