"""What the node's plan hears (events), what it orders (actions), and what it knows. core/plan.py gives them meaning.

A child is known by a number that its supervisor never uses twice.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import NamedTuple

from latchwork.core.task import Advance, Claimed, Finish

NEVER = float("inf")

# --- events


class Begin(NamedTuple):
    """The node starts."""


class TemplateUp(NamedTuple):
    """The template has imported the app."""


class TemplateDown(NamedTuple):
    """The template has died, and all children with it."""

    reason: str


class SpareReady(NamedTuple):
    """A child waits for a task."""

    child: int


class SpareFailed(NamedTuple):
    """The template could not fork a child that it was asked for."""

    reason: str


class Outcome(NamedTuple):
    """A child says what became of its task. ``error`` is JSON text."""

    child: int
    state: str
    result: str | None = None
    error: str | None = None


class Broken(NamedTuple):
    """A child sent what no child of ours sends."""

    child: int
    reason: str


class Eof(NamedTuple):
    """No process holds the child's socket any more. ``output`` is what it wrote."""

    child: int
    output: str | None = None


class Exited(NamedTuple):
    """The child's process has ended, and what was left of its group has been killed."""

    child: int
    kind: str  # the error's type if there is no result: ChildKilled | ChildExited
    how: str  # its message


class CallDone(NamedTuple):
    """The call under way has been answered."""

    answer: Advance | None = None


class CallFailed(NamedTuple):
    """The database could not be reached."""


class Hint(NamedTuple):
    """There may be work."""


class Tick(NamedTuple):
    """The time that :func:`deadline` named has come."""


class Stop(NamedTuple):
    """A signal asks the node to end: ``hard`` for SIGINT, else SIGTERM or SIGHUP."""

    hard: bool


ChildEvent = SpareReady | SpareFailed | Outcome | Broken | Eof | Exited
Event = ChildEvent | Begin | TemplateUp | TemplateDown | CallDone | CallFailed | Hint | Tick | Stop


# --- actions


class StartTemplate(NamedTuple):
    """Start the template."""


class Fork(NamedTuple):
    """Have so many children forked."""

    children: int  # not `count`, which every tuple has as a method


class Assign(NamedTuple):
    """Give the child its task."""

    child: int
    claimed: Claimed


class Kill(NamedTuple):
    """Kill the child and its process group."""

    child: int


class Close(NamedTuple):
    """Give up waiting for end of file: a process that left the group holds the socket. Answer with Eof."""

    child: int


class AskJoin(NamedTuple):
    """Make the node's row."""


class AskAdvance(NamedTuple):
    """Finish these, claim up to ``want``."""

    finished: tuple[Finish, ...]
    want: int


class AskBeat(NamedTuple):
    """Tell that the node lives."""

    state: str  # sleeping | working | draining
    running: int


class AskLeave(NamedTuple):
    """Remove the node's row."""


class Exit(NamedTuple):
    """End the process."""

    code: int


Call = AskJoin | AskAdvance | AskBeat | AskLeave
Action = StartTemplate | Fork | Assign | Kill | Close | Exit | Call


# --- state


class Settings(NamedTuple):
    """The numbers that a node is run with."""

    slots: int
    poll_s: float = 5.0  # how long an idle node sleeps when no hint comes, ± 20 %
    heartbeat_s: float = 5.0
    grace_s: float = 600.0  # from the first SIGINT to the abort
    report_s: float = 2.0  # from the abort to the exit, for telling the database
    linger_s: float = 1.0  # for a process that has given its result, or lost its socket, to end


@dataclass(slots=True)
class Run:
    """A claimed task in its child."""

    claimed: Claimed
    due: float
    stage: str = "running"  # running | ending | killed
    outcome: Outcome | None = None
    reason: tuple[str, str] | None = None  # type and message of the error, if we end it
    ended: tuple[str, str] | None = None  # the same, from how its process ended
    output: str | None = None
    eof: bool = False


@dataclass(slots=True)
class Plan:
    """All that the node knows. Only :func:`step` changes it."""

    settings: Settings
    spares: deque[int] = field(default_factory=deque)
    forking: int = 0
    running: dict[int, Run] = field(default_factory=dict)
    unassigned: deque[Claimed] = field(default_factory=deque)  # claimed, but their spare has died
    finished: list[Finish] = field(default_factory=list)  # for the next advance
    call: Call | None = None  # under way
    joined: bool = False
    hungry: bool = True  # ask for work as soon as there is room
    hinted: bool = False  # since the call under way was made
    stop: str | None = None  # None | drain | abort
    exited: bool = False
    template_up: bool = False
    failures: int = 0  # of calls, in a row
    template_failures: int = 0
    template_since: float = 0.0
    template_at: float = NEVER  # when to start it again
    fork_at: float = NEVER  # until when not to fork
    retry_at: float = 0.0
    poll_at: float = NEVER
    settle_at: float = NEVER
    beat_at: float = NEVER
    grace_at: float = NEVER
    exit_at: float = NEVER
