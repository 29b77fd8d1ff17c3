"""The node's plan, event by event. No process and no database is involved; time is a number."""

from __future__ import annotations

import json

from latchwork.core.plan import EXIT_ABORTED, EXIT_DRAINED, REFORK_S, TEMPLATE_STABLE_S, deadline, step
from latchwork.core.plan_types import (
    NEVER,
    Action,
    AskAdvance,
    AskBeat,
    AskJoin,
    AskLeave,
    Assign,
    Begin,
    Broken,
    CallDone,
    CallFailed,
    Close,
    Eof,
    Event,
    Exit,
    Exited,
    Fork,
    Hint,
    Kill,
    Outcome,
    Plan,
    Settings,
    SpareFailed,
    SpareReady,
    StartTemplate,
    Stop,
    TemplateDown,
    TemplateUp,
    Tick,
)
from latchwork.core.task import Advance, Claimed, Finish


def claimed(name: str, timeout_s: float | None = None) -> Claimed:
    return Claimed(name, "task", f"token of {name}", 1, 1, '{"args":[],"kwargs":{}}', timeout_s)


def answer(*tasks: Claimed, more: bool = False, settle_ms: int | None = None) -> CallDone:
    return CallDone(Advance(tasks, (), (), settle_ms, more))


class Node:
    """A plan and its clock. Feeding an event returns the actions."""

    def __init__(self, slots: int = 2) -> None:
        self.plan = Plan(Settings(slots=slots))
        self.now = 100.0

    def feed(self, *events: Event) -> list[Action]:
        actions: list[Action] = []
        for event in events:
            actions += step(self.plan, event, self.now)
        return actions

    def tick(self) -> list[Action]:
        """Let time pass until the plan asks to be woken."""
        assert deadline(self.plan) < NEVER, "the plan waits for nothing"
        self.now = max(self.now, deadline(self.plan))
        return self.feed(Tick())

    def joined(self) -> Node:
        """A node that has its spares and has found nothing to do."""
        self.feed(Begin(), TemplateUp(), *(SpareReady(n) for n in range(self.plan.settings.slots + 1)), CallDone())
        assert self.feed(answer()) == []
        return self

    def running(self, *tasks: Claimed) -> Node:
        """A node whose children 0, 1, … run ``tasks``."""
        assert self.joined().feed(Hint()) == [AskAdvance((), self.plan.settings.slots)]
        self.feed(answer(*tasks))
        assert [run.claimed for run in self.plan.running.values()] == list(tasks)
        return self


def error_of(finish: Finish) -> tuple[str, str]:
    assert finish.state == "failed"
    assert finish.error is not None
    error = json.loads(finish.error)
    return error["type"], error["message"]


def finishes(actions: list[Action]) -> list[Finish]:
    return [finish for action in actions if isinstance(action, AskAdvance) for finish in action.finished]


def error_after(actions: list[Action]) -> tuple[str, str]:
    (finish,) = finishes(actions)
    return error_of(finish)


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


# --- how a run ends


def test_an_exit_without_an_outcome_is_the_reason() -> None:
    orders: list[list[Event]] = [
        [Exited(0, "ChildKilled", "Killed by signal 9 (SIGKILL)."), Eof(0)],
        [Eof(0), Exited(0, "ChildKilled", "Killed by signal 9 (SIGKILL).")],
    ]
    for events in orders:
        node = Node().running(claimed("a"))
        assert error_after(node.feed(*events)) == ("ChildKilled", "Killed by signal 9 (SIGKILL).")


def test_an_outcome_counts_more_than_how_the_process_ended() -> None:
    node = Node().running(claimed("a"))
    (finish,) = finishes(node.feed(Outcome(0, "completed", "1"), Exited(0, "ChildKilled", "…"), Eof(0)))
    assert finish.state == "completed"


def test_a_task_over_its_time_is_killed_and_says_so() -> None:
    node = Node().running(claimed("a", timeout_s=2.5))
    started = node.now
    assert node.tick() == [Kill(0)]
    assert node.now - started == 2.5
    actions = node.feed(Eof(0))
    assert error_after(actions) == ("TaskTimeout", "The task ran longer than its limit of 2.5 s and was killed.")


def test_an_outcome_sent_after_the_kill_does_not_count() -> None:
    node = Node().running(claimed("a", timeout_s=2.5))
    node.tick()
    assert error_after(node.feed(Outcome(0, "completed", "1"), Eof(0)))[0] == "TaskTimeout"


def test_an_outcome_within_the_time_stands_though_the_process_lingers() -> None:
    node = Node().running(claimed("a", timeout_s=2.5))
    node.feed(Outcome(0, "completed", "1"))
    assert node.tick() == [Kill(0)]
    assert node.now < 100 + 2.5
    assert finishes(node.feed(Eof(0)))[0].state == "completed"


def test_sigkill_is_repeated_until_the_process_is_gone() -> None:
    node = Node().running(claimed("a", timeout_s=2.5))
    assert [node.tick(), node.tick(), node.tick()] == [[Kill(0)], [Kill(0)], [Kill(0)]]
    assert 0 in node.plan.running


def test_a_socket_held_by_a_process_outside_the_group_is_given_up() -> None:
    node = Node().running(claimed("a"))
    node.feed(Outcome(0, "completed", "1"), Exited(0, "ChildExited", "…"))
    assert node.tick() == [Close(0)]
    assert finishes(node.feed(Eof(0)))[0].state == "completed"


def test_a_child_that_closes_its_socket_and_goes_on_is_killed() -> None:
    node = Node().running(claimed("a"))
    assert node.feed(Eof(0)) == []
    assert node.tick() == [Kill(0)]
    assert error_after(node.feed(Exited(0, "ChildKilled", "…")))[0] == "ChildLost"


def test_a_child_whose_end_is_never_told_does_not_keep_its_slot() -> None:
    node = Node().running(claimed("a"))
    node.feed(Eof(0))
    node.tick()
    assert error_after(node.tick())[0] == "ChildLost"


def test_a_child_that_sends_nonsense_is_killed() -> None:
    node = Node().running(claimed("a"))
    assert node.feed(Broken(0, "nonsense")) == [Kill(0)]
    assert error_after(node.feed(Eof(0))) == ("ChildBroken", "nonsense")


def test_events_of_children_that_are_forgotten_change_nothing() -> None:
    node = Node().joined()
    assert node.feed(Eof(77), Exited(77, "ChildExited", "…"), Outcome(77, "completed", "1")) == []


# --- children that cannot be had


def test_a_spare_that_dies_is_replaced_after_a_pause() -> None:
    node = Node().joined()
    assert node.feed(Eof(1)) == []
    assert deadline(node.plan) == node.now + REFORK_S
    assert node.tick() == [Fork(1)]


def test_a_task_claimed_for_a_spare_that_died_waits_for_the_next_one() -> None:
    node = Node(slots=1)
    node.feed(Begin(), TemplateUp(), SpareReady(0), SpareFailed("no memory"), CallDone())
    assert node.feed(Eof(0)) == []
    assert node.feed(answer(claimed("a"))) == []
    assert node.tick() == [Fork(2)]
    assert node.feed(SpareReady(2)) == [Assign(2, claimed("a")), Fork(1)]


def test_when_the_template_dies_its_tasks_fail_and_it_is_started_again() -> None:
    node = Node().running(claimed("a"))
    assert node.feed(TemplateDown("The template was killed by signal 9 (SIGKILL).")) == [Kill(0)]
    kind, message = error_after(node.feed(Eof(0)))
    assert kind == "TemplateDied"
    assert "signal 9" in message
    node.feed(answer())
    assert StartTemplate() in node.tick()
    assert node.feed(TemplateUp()) == [Fork(3)]


def test_nothing_is_claimed_while_there_is_no_template() -> None:
    node = Node().joined()
    node.feed(TemplateDown("…"))
    assert node.feed(Hint()) == []


def test_a_template_that_keeps_dying_is_started_ever_more_slowly() -> None:
    node = Node().joined()
    pauses = []
    for lived_s in (0.0, 0.0, 0.0, TEMPLATE_STABLE_S + 1):
        node.now += lived_s
        node.feed(TemplateDown("…"))
        pauses.append(round(node.plan.template_at - node.now, 3))
        node.now = node.plan.template_at
        node.feed(Tick(), TemplateUp(), CallDone())
    assert pauses == [0.075, 0.15, 0.3, 0.075]


# --- the end


def test_an_idle_node_leaves_at_the_first_signal() -> None:
    for hard in (False, True):
        node = Node().joined()
        assert node.feed(Stop(hard)) == [AskLeave()]
        assert node.feed(CallDone()) == [Exit(EXIT_DRAINED)]


def test_a_node_that_has_not_joined_just_ends() -> None:
    node = Node()
    node.feed(Begin())
    assert node.feed(Stop(hard=False)) == [Exit(EXIT_DRAINED)]


def test_a_node_that_is_joining_leaves_when_it_has_joined() -> None:
    node = Node()
    node.feed(Begin(), TemplateUp())
    assert node.feed(Stop(hard=False)) == []
    assert node.feed(CallDone()) == [AskLeave()]


def test_draining_lets_running_tasks_end_and_claims_none() -> None:
    node = Node(slots=2).running(claimed("a"))
    assert node.feed(Stop(hard=False), Hint()) == []
    (call,) = node.feed(Outcome(0, "completed", "1"), Eof(0))
    assert isinstance(call, AskAdvance)
    assert call.want == 0
    assert node.feed(answer()) == [AskLeave()]
    assert node.feed(CallDone()) == [Exit(EXIT_DRAINED)]


def test_tasks_claimed_by_the_call_under_way_are_run_before_the_end() -> None:
    node = Node(slots=1).joined()
    node.feed(Hint(), Stop(hard=False))
    assert node.feed(answer(claimed("a"))) == [Assign(0, claimed("a"))]


def test_more_sigterms_change_nothing() -> None:
    node = Node().running(claimed("a"))
    assert node.feed(Stop(hard=False), Stop(hard=False), Stop(hard=False)) == []
    assert 0 in node.plan.running


def test_after_sigint_tasks_are_aborted_when_the_grace_is_over() -> None:
    node = Node().running(claimed("a"))
    node.feed(Stop(hard=True))
    while Kill(0) not in node.tick():
        node.feed(CallDone())
    assert node.now - 100 == node.plan.settings.grace_s
    assert error_after(node.feed(CallDone(), Eof(0))) == ("NodeShutdown", "Aborted during node shutdown.")
    assert node.feed(answer()) == [AskLeave()]
    assert node.feed(CallDone()) == [Exit(EXIT_ABORTED)]


def test_the_second_signal_after_sigint_aborts_at_once() -> None:
    for second in (True, False):
        node = Node().running(claimed("a"))
        assert node.feed(Stop(hard=True), Stop(hard=second)) == [Kill(0)]


def test_sigint_after_sigterm_only_starts_the_grace() -> None:
    node = Node().running(claimed("a"))
    assert node.feed(Stop(hard=False), Stop(hard=True)) == []
    assert node.plan.grace_at == node.now + node.plan.settings.grace_s


def test_an_aborted_node_waits_two_seconds_for_the_database_and_no_longer() -> None:
    node = Node().running(claimed("a"))
    node.feed(Hint(), Stop(hard=True), Stop(hard=True), Eof(0))
    started = node.now
    while not any(isinstance(action, Exit) for action in node.tick()):
        assert node.plan.call is not None
    assert node.now - started == 2.0


def test_the_third_signal_ends_the_node_without_waiting() -> None:
    node = Node().running(claimed("a"))
    assert node.feed(Stop(hard=True), Stop(hard=True), Stop(hard=True))[-1] == Exit(EXIT_ABORTED)


def test_what_a_call_claims_while_the_node_aborts_is_failed_and_never_run() -> None:
    node = Node().joined()
    node.feed(Hint(), Stop(hard=True), Stop(hard=True))
    assert error_after(node.feed(answer(claimed("a"))))[0] == "NodeShutdown"


def test_outcomes_are_kept_through_a_drain_without_a_database() -> None:
    node = Node().running(claimed("a"))
    node.feed(Stop(hard=False), Outcome(0, "completed", "1"), Eof(0), CallFailed())
    assert [finish.state for finish in finishes(node.tick())] == ["completed"]


def test_a_node_that_cannot_say_goodbye_ends_all_the_same() -> None:
    node = Node().joined()
    node.feed(Stop(hard=False))
    assert node.feed(CallFailed()) == [Exit(EXIT_DRAINED)]


def test_nothing_happens_after_the_exit() -> None:
    node = Node().joined()
    node.feed(Stop(hard=False), CallDone())
    assert node.feed(Hint(), Tick(), TemplateDown("…")) == []
