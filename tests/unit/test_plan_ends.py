"""The node's plan, event by event: how runs end, children that cannot be had, and the end of the node."""

from __future__ import annotations

from latchwork.core.plan import EXIT_ABORTED, EXIT_DRAINED, REFORK_S, TEMPLATE_STABLE_S, deadline
from latchwork.core.plan_types import (
    AskAdvance,
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
    SpareFailed,
    SpareReady,
    StartTemplate,
    Stop,
    TemplateDown,
    TemplateUp,
    Tick,
)
from tests.support.plan import Node, answer, claimed, error_after, finishes

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
