"""A plan and its clock, for tests of the node's brain. No process and no database is involved; time is a number."""

from __future__ import annotations

import json

from latchwork.core.plan import deadline, step
from latchwork.core.plan_types import (
    NEVER,
    Action,
    AskAdvance,
    Begin,
    CallDone,
    Event,
    Hint,
    Plan,
    Settings,
    SpareReady,
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
