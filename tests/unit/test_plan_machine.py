"""The plan against a database and children that do anything in any order: Hypothesis looks for what breaks a promise.

The machine plays the world: it answers calls, or lets them fail before or after they took effect; its children give
outcomes, die, close sockets, in any order; templates die; signals come; time jumps to the next deadline. After each
step the promises of core/plan.py are checked against what the world has seen.
"""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import Phase
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from latchwork.core import plan as plan_module
from latchwork.core.plan import deadline, step
from latchwork.core.plan_types import (
    NEVER,
    Action,
    AskAdvance,
    AskBeat,
    AskJoin,
    AskLeave,
    Assign,
    Begin,
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

STEPS_TO_END = 400


class World(RuleBasedStateMachine):
    """All that surrounds a plan."""

    @initialize(slots=st.integers(1, 4), calm=st.integers(0, 80))
    def start(self, slots: int, calm: int) -> None:
        self.plan = Plan(Settings(slots=slots))
        self.calm = calm  # steps before the first signal
        self.now = 0.0
        self.template = "down"  # down | starting | up
        self.to_fork = 0
        self.children: dict[int, Claimed | None] = {}  # alive
        self.given: dict[int, Claimed] = {}  # children that got a task, whatever became of them
        self.silent: set[int] = set()  # they have sent their outcome
        self.eofs: set[int] = set()
        self.exits: set[int] = set()
        self.killed: set[int] = set()
        self.numbers = 0
        self.call: object = None
        self.owned: dict[str, Claimed] = {}  # what the database thinks this node runs
        self.claims = 0
        self.finished: Counter[str] = Counter()
        self.exit_code: int | None = None
        self.feed(Begin())

    def feed(self, event: Event, jitter: float = 0.5) -> None:
        for action in step(self.plan, event, self.now, jitter):
            assert self.exit_code is None, "an action after the exit"
            match action:
                case StartTemplate():
                    assert self.template == "down"
                    self.template = "starting"
                case Fork(count):
                    assert self.template == "up"
                    self.to_fork += count
                case Assign(child, claimed):
                    assert child not in self.given, "a child got two tasks"
                    self.given[child] = claimed
                    self.children[child] = claimed
                case Kill(child):
                    self.killed.add(child)
                case Close(child):
                    assert child in self.exits
                    self.eofs.add(child)
                    self.feed(Eof(child))
                case Exit(code):
                    self.exit_code = code
                case call:
                    assert self.call is None, "two calls at once"
                    self.call = call
                    if isinstance(call, AskAdvance):
                        self.check_advance(call)

    def check_advance(self, call: AskAdvance) -> None:
        free = self.plan.settings.slots - len(self.owned) + len(call.finished)
        assert 0 <= call.want <= max(free, 0), f"{call.want} wanted, {free} free"
        assert call.want <= sum(claimed is None for claimed in self.children.values()) + self.to_fork
        for finish in call.finished:
            children = [child for child, claimed in self.given.items() if claimed.id == finish.id]
            assert all(child in self.eofs | self.exits for child in children), "finished while its code may run"

    # --- the database

    def settle(self, finished: tuple[Finish, ...]) -> None:
        for finish in finished:
            if self.owned.pop(finish.id, None):
                self.finished[finish.id] += 1

    @precondition(lambda self: self.call is not None)
    @rule(data=st.data())
    def database_answers(self, data: st.DataObject) -> None:
        call, self.call = self.call, None
        if not isinstance(call, AskAdvance):
            assert isinstance(call, (AskJoin, AskBeat, AskLeave))
            self.feed(CallDone())
            return
        self.settle(call.finished)
        tasks = []
        for _ in range(data.draw(st.integers(0, call.want))):
            self.claims += 1
            limit = data.draw(st.sampled_from([None, 1.0, 30.0]))
            tasks.append(Claimed(f"task {self.claims}", "task", "token", 1, 1, "", limit))
        self.owned.update({task.id: task for task in tasks})
        settle_ms = data.draw(st.sampled_from([None, None, 5]))
        self.feed(
            CallDone(Advance(tuple(tasks), (), (), settle_ms, data.draw(st.booleans()))), data.draw(st.floats(0, 1))
        )

    @precondition(lambda self: self.call is not None and not isinstance(self.call, AskJoin))
    @rule(took_effect=st.booleans(), jitter=st.floats(0, 1))
    def database_fails(self, took_effect: bool, jitter: float) -> None:
        call, self.call = self.call, None
        if took_effect and isinstance(call, AskAdvance):
            self.settle(call.finished)
        self.feed(CallFailed(), jitter)

    @precondition(lambda self: not self.plan.hinted)
    @rule()
    def hint_comes(self) -> None:
        self.feed(Hint())

    # --- the template and its children

    @precondition(lambda self: self.template == "starting")
    @rule()
    def template_says_hello(self) -> None:
        self.template = "up"
        self.feed(TemplateUp())

    @precondition(lambda self: self.template == "up")
    @rule()
    def template_dies(self) -> None:
        self.template, self.to_fork = "down", 0
        dead = list(self.children)
        self.feed(TemplateDown("…"))
        for child in dead:
            self.end_child(child, told=False)

    @precondition(lambda self: self.to_fork > 0)
    @rule(work=st.lists(st.sampled_from([True, True, True, False]), min_size=1, max_size=5))
    def children_are_forked(self, work: list[bool]) -> None:
        for works in work[: self.to_fork]:
            self.to_fork -= 1
            if works:
                self.numbers += 1
                self.children[self.numbers] = None
                self.feed(SpareReady(self.numbers))
            else:
                self.feed(SpareFailed("…"))

    def end_child(self, child: int, told: bool = True) -> None:
        self.children.pop(child, None)
        if child not in self.eofs:
            self.eofs.add(child)
            self.feed(Eof(child))
        if told and child not in self.exits:
            self.exits.add(child)
            self.feed(Exited(child, "ChildKilled", "…"))

    def runs(self) -> list[int]:
        return [child for child, claimed in self.children.items() if claimed]

    @precondition(lambda self: self.runs())
    @rule(data=st.data(), and_ends=st.booleans())
    def child_gives_its_outcome(self, data: st.DataObject, and_ends: bool) -> None:
        child = data.draw(st.sampled_from(self.runs()))
        if child not in self.silent:
            self.silent.add(child)
            self.feed(Outcome(child, "completed", "null"))
        if and_ends:
            self.end_child(child)

    @precondition(lambda self: self.children)
    @rule(data=st.data())
    def child_ends(self, data: st.DataObject) -> None:
        self.end_child(data.draw(st.sampled_from(sorted(self.children))))

    @precondition(lambda self: self.runs())
    @rule(data=st.data(), exits=st.booleans())
    def child_half_ends(self, data: st.DataObject, exits: bool) -> None:
        """Its process ends but something holds its socket; or it closes its socket and goes on."""
        child = data.draw(st.sampled_from(self.runs()))
        if exits and child not in self.exits:
            self.exits.add(child)
            self.feed(Exited(child, "ChildExited", "…"))
        elif not exits and child not in self.eofs:
            self.eofs.add(child)
            self.feed(Eof(child))

    @precondition(lambda self: self.killed & set(self.children))
    @rule()
    def kill_takes_effect(self) -> None:
        for child in sorted(self.killed & set(self.children)):
            self.end_child(child)

    # --- time and signals

    @precondition(lambda self: self.exit_code is None and deadline(self.plan) < NEVER)
    @rule()
    def time_comes(self) -> None:
        self.now = max(self.now, deadline(self.plan))
        self.feed(Tick())
        assert self.exit_code is not None or deadline(self.plan) > self.now, "the plan asks to be woken for ever"

    @precondition(lambda self: self.calm <= 0)
    @rule(hard=st.booleans())
    def signal_comes(self, hard: bool) -> None:
        self.feed(Stop(hard))

    # --- promises

    @invariant()
    def no_more_is_claimed_than_fits(self) -> None:
        self.calm -= 1
        assert len(self.plan.running) + len(self.plan.unassigned) <= self.plan.settings.slots

    @invariant()
    def nothing_is_lost_and_nothing_doubled(self) -> None:
        assert all(count == 1 for count in self.finished.values())
        if self.exit_code is None:
            kept = [run.claimed.id for run in self.plan.running.values()]
            kept += [claimed.id for claimed in self.plan.unassigned]
            under_way = self.plan.call.finished if isinstance(self.plan.call, AskAdvance) else ()
            kept += [finish.id for finish in (*self.plan.finished, *under_way)]
            assert len(kept) == len(set(kept)), "a task is kept twice"
            assert set(self.owned) <= set(kept), "a claimed task is forgotten"

    def teardown(self) -> None:
        """A stop ends, when the world behaves: everything claimed is finished, and the node has left."""
        if not hasattr(self, "plan"):
            return
        self.feed(Stop(hard=False))
        for _ in range(STEPS_TO_END):
            if self.exit_code is not None:
                break
            self.behave()
        assert self.exit_code is not None, "the node does not end"
        if self.exit_code == plan_module.EXIT_DRAINED:
            assert not self.owned, "the node left with tasks"

    def behave(self) -> None:
        """One step of a world in which nothing fails."""
        if self.call is not None:
            call, self.call = self.call, None
            if isinstance(call, AskAdvance):
                self.settle(call.finished)
                self.feed(CallDone(Advance((), (), (), None, more=False)))
            else:
                self.feed(CallDone())
        elif self.template == "starting":
            self.template_says_hello()
        elif self.to_fork:
            self.to_fork -= 1
            self.numbers += 1
            self.children[self.numbers] = None
            self.feed(SpareReady(self.numbers))
        elif runs := self.runs():
            if runs[0] not in self.silent:
                self.silent.add(runs[0])
                self.feed(Outcome(runs[0], "completed", "null"))
            self.end_child(runs[0])
        else:
            self.now = max(self.now, deadline(self.plan))
            self.feed(Tick())


TestWorld = World.TestCase
TestWorld.settings = hypothesis_settings(max_examples=100, stateful_step_count=60)


# The machine can fail: three planted faults.


def search() -> None:
    phases = [Phase.generate]  # finding is enough
    run_state_machine_as_test(World, settings=hypothesis_settings(TestWorld.settings, max_examples=500, phases=phases))


def test_the_machine_finds_a_finish_that_does_not_wait_for_end_of_file(monkeypatch: pytest.MonkeyPatch) -> None:
    hear = plan_module._hear_child

    def hasty(plan: Plan, event: Event, now: float, actions: list[Action]) -> bool:
        heard = hear(plan, event, now, actions)
        if isinstance(event, Outcome) and event.child in plan.running:
            plan_module._finish(plan, event.child)
        return heard

    monkeypatch.setattr(plan_module, "_hear_child", hasty)
    with pytest.raises(AssertionError, match="its code may run"):
        search()


def test_the_machine_finds_a_plan_that_claims_beyond_its_slots(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan_module, "_want", lambda plan: 0 if plan.stop else len(plan.spares))
    with pytest.raises(AssertionError, match="wanted"):
        search()


def test_the_machine_finds_finishes_lost_with_a_failed_call(monkeypatch: pytest.MonkeyPatch) -> None:
    on_call_failed = plan_module._on_call_failed

    def forget(plan: Plan, now: float, jitter: float, actions: list[Action]) -> None:
        if isinstance(plan.call, AskAdvance):
            plan.call = AskAdvance((), plan.call.want)
        on_call_failed(plan, now, jitter, actions)

    monkeypatch.setattr(plan_module, "_on_call_failed", forget)
    with pytest.raises(AssertionError, match=r"forgotten|left with tasks"):
        search()
