"""The node's plan, event by event: start, the main path, a database that is away."""

from __future__ import annotations

from latchwork.core.plan import deadline, step
from latchwork.core.plan_types import (
    AskAdvance,
    AskBeat,
    AskJoin,
    Assign,
    Begin,
    CallDone,
    CallFailed,
    Eof,
    Fork,
    Hint,
    Kill,
    Outcome,
    SpareFailed,
    SpareReady,
    StartTemplate,
    Stop,
    TemplateUp,
    Tick,
)
from latchwork.core.task import Finish
from tests.support.plan import Node, answer, claimed, finishes

# --- start


def test_a_node_starts_its_template_forks_ahead_and_joins() -> None:
    node = Node(slots=2)
    assert node.feed(Begin()) == [StartTemplate()]
    assert node.feed(TemplateUp()) == [Fork(3), AskJoin()]
    assert node.feed(SpareReady(0)) == []


def test_it_asks_for_as_many_tasks_as_slots_have_a_child_there_or_coming() -> None:
    node = Node(slots=2)
    node.feed(Begin(), TemplateUp())
    assert node.feed(CallDone()) == [AskAdvance((), 2)]


def test_without_children_nothing_is_claimed() -> None:
    node = Node(slots=2)
    node.feed(Begin(), TemplateUp(), SpareFailed("no memory"), SpareFailed("no memory"))
    assert node.plan.forking == 1
    assert node.feed(CallDone()) == [AskAdvance((), 1)]


# --- the main path


def test_a_claimed_task_is_given_to_a_spare_and_a_new_one_is_forked() -> None:
    node = Node(slots=2).joined()
    node.feed(Hint())
    assert node.feed(answer(claimed("a"))) == [Assign(0, claimed("a")), Fork(1)]


def test_a_finish_is_reported_at_end_of_file_and_not_at_the_outcome() -> None:
    node = Node().running(claimed("a"))
    assert node.feed(Outcome(0, "completed", "1")) == []
    expected = Finish("a", "token of a", "completed", "1", None, "printed")
    assert node.feed(Eof(0, "printed")) == [AskAdvance((expected,), 2)]


def test_finish_and_next_claim_are_one_call() -> None:
    node = Node(slots=1).running(claimed("a"))
    (call,) = node.feed(Outcome(0, "completed", "null"), Eof(0))
    assert isinstance(call, AskAdvance)
    assert call.want == 1
    assert node.feed(answer(claimed("b")))[0] == Assign(1, claimed("b"))


def test_what_finishes_during_a_call_goes_out_with_the_next() -> None:
    node = Node(slots=3).running(claimed("a"), claimed("b"), claimed("c"))
    (first,) = node.feed(Outcome(0, "completed", "1"), Eof(0))
    assert node.feed(Outcome(1, "completed", "2"), Eof(1), Outcome(2, "failed", None, "{}"), Eof(2)) == []
    (second,) = node.feed(answer())
    assert [finish.id for finish in finishes([first])] == ["a"]
    assert [finish.id for finish in finishes([second])] == ["b", "c"]


def test_it_asks_again_at_once_while_there_is_more_and_room() -> None:
    node = Node(slots=3).joined()
    node.feed(Hint())
    assert node.feed(answer(claimed("a"), more=True))[-1] == AskAdvance((), 2)


def test_it_does_not_spin_when_more_is_said_but_nothing_is_had() -> None:
    node = Node().joined()
    node.feed(Hint())
    assert node.feed(answer(more=True)) == []


def test_a_full_node_does_not_ask() -> None:
    node = Node(slots=1).running(claimed("a"))
    assert node.feed(Hint()) == []


def test_a_hint_that_comes_during_a_call_is_not_lost() -> None:
    node = Node().joined()
    assert node.feed(Hint()) == [AskAdvance((), 2)]
    assert node.feed(Hint()) == []
    assert node.feed(answer()) == [AskAdvance((), 2)]


def test_an_idle_node_looks_after_the_poll_interval() -> None:
    node = Node().joined()
    started = node.now
    assert node.tick() == [AskBeat("sleeping", 0)]
    assert node.feed(CallDone()) == [AskAdvance((), 2)]
    assert node.now - started == node.plan.settings.poll_s == node.plan.settings.heartbeat_s


def test_the_poll_interval_is_spread() -> None:
    polls = set()
    for jitter in (0.0, 0.5, 1.0):
        node = Node().joined()
        node.feed(Hint())
        step(node.plan, answer(), node.now, jitter)
        polls.add(node.plan.poll_at - node.now)
    assert polls == {4.0, 5.0, 6.0}


def test_lines_to_settle_are_looked_at_in_time_even_by_a_full_node() -> None:
    node = Node(slots=1).joined()
    node.feed(Hint(), answer(claimed("a"), settle_ms=40))
    assert deadline(node.plan) == node.now + 0.04
    assert node.tick() == [AskAdvance((), 0)]


def test_heartbeats_come_between_other_calls_even_under_load() -> None:
    node = Node().running(claimed("a"))
    node.feed(Hint())
    node.now += node.plan.settings.heartbeat_s
    assert node.feed(Outcome(0, "completed", "1"), Eof(0)) == []
    assert node.feed(answer(more=True, settle_ms=None)) == [AskBeat("sleeping", 0)]
    assert finishes(node.feed(CallDone()))


def test_the_heartbeat_says_what_the_node_does() -> None:
    idle, busy, ending = Node().joined(), Node().running(claimed("a")), Node().running(claimed("a"))
    ending.feed(Stop(hard=False))
    for node, expected in (
        (idle, AskBeat("sleeping", 0)),
        (busy, AskBeat("working", 1)),
        (ending, AskBeat("draining", 1)),
    ):
        node.now = node.plan.beat_at
        assert node.feed(Tick())[0] == expected


# --- the database is away


def test_a_failed_call_is_repeated_with_its_finishes_first() -> None:
    node = Node(slots=2).running(claimed("a"), claimed("b"))
    node.feed(Outcome(0, "completed", "1"), Eof(0))
    assert node.feed(Outcome(1, "completed", "2"), Eof(1), CallFailed()) == []
    assert [finish.id for finish in finishes(node.tick())] == ["a", "b"]


def test_pauses_between_tries_double_up_to_five_seconds() -> None:
    node = Node().joined()
    node.feed(Hint())
    pauses = []
    for _ in range(9):
        step(node.plan, CallFailed(), node.now, 1.0)
        before = node.now
        assert any(isinstance(action, (AskAdvance, AskBeat)) for action in node.tick())
        pauses.append(round(node.now - before, 3))
    assert pauses == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0, 5.0]


def test_children_run_on_while_the_database_is_away() -> None:
    node = Node().running(claimed("a"))
    node.feed(Hint())
    assert not [action for action in node.feed(CallFailed()) if isinstance(action, Kill)]
    assert 0 in node.plan.running


def test_an_answer_resets_the_pause() -> None:
    node = Node().joined()
    node.feed(Hint(), CallFailed())
    node.tick()
    node.feed(answer())
    assert node.feed(Hint()) == [AskAdvance((), 2)]
