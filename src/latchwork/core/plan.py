"""The node's brain: state + event + now -> actions. Pure: it decides, node/supervisor.py performs.

Promises, whatever comes in whatever order:

- never more tasks claimed than slots are free, and none asked for without a child to run it (ready or being forked);
- each claimed task is finished exactly once: by its outcome, else by the reason we killed it for, else by how its
  process ended; and not before no code of it runs (end of file on its socket, which only the kernel writes);
- at most one call to the database at a time. What finishes meanwhile goes out with the next one. A call that fails is
  made again, its finishes first, after a pause that doubles from 0.1 s to 5 s;
- a stop ends: drained, or two seconds after the abort.

The life of a run: *running* -> *ending* (its result is here, or its socket or its process has ended: the rest must
follow within ``linger_s``) -> *killed* (by us; SIGKILL is repeated until the kernel obeys). Each stage is due to end at
a time.
"""

from __future__ import annotations

import json

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
    Call,
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
    Run,
    SpareFailed,
    SpareReady,
    StartTemplate,
    Stop,
    TemplateDown,
    TemplateUp,
    Tick,
)
from latchwork.core.states import FAILED
from latchwork.core.task import Advance, Claimed, Finish

RETRY_MIN_S = 0.1
RETRY_MAX_S = 5.0
REFORK_S = 1.0  # after a child that died before it had a task, so that a broken machine is no busy loop
TEMPLATE_STABLE_S = 60.0  # a template that lived so long is started again without the longer pauses

EXIT_DRAINED = 0
EXIT_ABORTED = 130  # as a shell says it of a program that SIGINT ended

_ABORTED = ("NodeShutdown", "Aborted during node shutdown.")
_LOST = ("ChildLost", "The task's process closed its socket to the node and went on without a result; it was killed.")


def step(plan: Plan, event: Event, now: float, jitter: float = 0.5) -> list[Action]:
    """Take in ``event`` at ``now`` (seconds, monotonic) and return what is to be done, in this order.

    ``jitter`` is a random number from 0 to 1, to spread pauses.
    """
    actions: list[Action] = []
    if plan.exited:
        return actions
    if not _hear_child(plan, event, now, actions):
        _hear(plan, event, now, jitter, actions)
    if plan.exited:
        return actions
    _assign(plan, now, actions)
    _provide(plan, now, actions)
    _ask(plan, now, actions)
    if now >= plan.exit_at or (plan.stop and not plan.joined and plan.call is None):
        _exit(plan, actions)
    return actions


def deadline(plan: Plan) -> float:
    """Return when the next Tick is due, in the time of ``now``; infinity if none is."""
    at = min(plan.grace_at, plan.exit_at, plan.fork_at)
    if _needs_children(plan):
        at = min(at, plan.template_at)
    for run in plan.running.values():
        at = min(at, run.due)
    return at if plan.call is not None or not plan.joined else min(at, _call_at(plan))


def _call_at(plan: Plan) -> float:
    """Return when the next call is to be made."""
    want = _want(plan)
    if plan.finished or (plan.hungry and want) or _is_drained(plan):
        return plan.retry_at
    return max(plan.retry_at, min(plan.beat_at, plan.settle_at, plan.poll_at if want else NEVER))


def _is_drained(plan: Plan) -> bool:
    return bool(plan.stop) and not (plan.running or plan.unassigned or plan.finished)


def _want(plan: Plan) -> int:
    """Return how many tasks may be claimed: slots that are free and have a child, there or coming."""
    if plan.stop:
        return 0
    taken = len(plan.running) + len(plan.unassigned)
    return max(0, min(plan.settings.slots - taken, len(plan.spares) + plan.forking - len(plan.unassigned)))


def _needs_children(plan: Plan) -> bool:
    return not plan.stop or (plan.stop == "drain" and bool(plan.unassigned))


def _backoff(failures: int, jitter: float) -> float:
    return float(min(RETRY_MAX_S, RETRY_MIN_S * 2 ** min(failures - 1, 16)) * (0.5 + jitter / 2))


# --- what an event changes


def _hear_child(plan: Plan, event: Event, now: float, actions: list[Action]) -> bool:
    """Take in what a child or its template says. Return whether it was such an event."""
    match event:
        case SpareReady(child):
            plan.forking = max(0, plan.forking - 1)
            plan.spares.append(child)
        case Outcome(child):
            run = plan.running.get(child)
            if run and not run.outcome and not run.reason:
                run.outcome = event
                run.stage, run.due = "ending", now + plan.settings.linger_s
        case Eof(child, output):
            _on_eof(plan, child, output, now)
        case Exited(child, kind, how):
            _on_exited(plan, child, (kind, how), now)
        case Broken(child, reason):
            _on_broken(plan, child, reason, now, actions)
        case SpareFailed():
            plan.forking = max(0, plan.forking - 1)
            plan.fork_at = now + REFORK_S
        case _:
            return False
    return True


def _on_eof(plan: Plan, child: int, output: str | None, now: float) -> None:
    run = plan.running.get(child)
    if run is not None:
        run.eof, run.output = True, output
        _finish_or_linger(plan, child, run, bool(run.outcome or run.reason or run.ended), now)
    elif child in plan.spares:
        plan.spares.remove(child)
        plan.fork_at = now + REFORK_S


def _on_exited(plan: Plan, child: int, ended: tuple[str, str], now: float) -> None:
    run = plan.running.get(child)
    if run is not None:
        run.ended = ended
        _finish_or_linger(plan, child, run, run.eof, now)


def _on_broken(plan: Plan, child: int, reason: str, now: float, actions: list[Action]) -> None:
    run = plan.running.get(child)
    if run is None:
        actions.append(Kill(child))
    elif not run.outcome:
        run.reason = run.reason or ("ChildBroken", reason)
        _kill(plan, child, run, now, actions)


def _finish_or_linger(plan: Plan, child: int, run: Run, complete: bool, now: float) -> None:
    if complete:
        _finish(plan, child)
    elif run.stage == "running":
        run.stage, run.due = "ending", now + plan.settings.linger_s


def _hear(plan: Plan, event: Event, now: float, jitter: float, actions: list[Action]) -> None:
    """Take in what comes from elsewhere than a child."""
    match event:
        case CallDone(answer):
            _on_call_done(plan, answer, now, jitter, actions)
        case CallFailed():
            _on_call_failed(plan, now, jitter, actions)
        case Hint():
            plan.hungry = plan.hinted = True
        case Tick():
            _on_tick(plan, now, actions)
        case Begin():
            actions.append(StartTemplate())
        case TemplateUp():
            plan.template_up, plan.template_since = True, now
        case TemplateDown(reason):
            _on_template_down(plan, reason, now, jitter, actions)
        case Stop(hard):
            _on_stop(plan, hard, now, actions)


def _on_call_done(plan: Plan, answer: Advance | None, now: float, jitter: float, actions: list[Action]) -> None:
    call, plan.call = plan.call, None
    plan.failures, plan.retry_at = 0, 0.0
    match call:
        case AskAdvance(_, want) if answer is not None:
            plan.unassigned.extend(answer.claimed)
            if want:
                plan.hungry = plan.hinted or (answer.more and bool(answer.claimed))
            plan.settle_at = NEVER if answer.settle_ms is None else now + answer.settle_ms / 1000
            plan.poll_at = now + plan.settings.poll_s * (0.8 + 0.4 * jitter)
        case AskJoin():
            plan.joined, plan.beat_at = True, now + plan.settings.heartbeat_s
        case AskBeat():
            plan.beat_at = now + plan.settings.heartbeat_s
        case AskLeave():
            _exit(plan, actions)


def _on_call_failed(plan: Plan, now: float, jitter: float, actions: list[Action]) -> None:
    call, plan.call = plan.call, None
    if isinstance(call, AskLeave):  # others will notice that our heartbeat is gone
        _exit(plan, actions)
        return
    if isinstance(call, AskAdvance):
        plan.finished[:0] = call.finished
        plan.hungry = True
    plan.failures += 1
    plan.retry_at = now + _backoff(plan.failures, jitter)


def _on_tick(plan: Plan, now: float, actions: list[Action]) -> None:
    if now >= plan.grace_at:
        _abort(plan, now, actions)
    if now >= plan.poll_at:
        plan.hungry, plan.poll_at = True, NEVER
    for child, run in list(plan.running.items()):
        if now >= run.due:
            _overdue(plan, child, run, now, actions)


def _overdue(plan: Plan, child: int, run: Run, now: float, actions: list[Action]) -> None:
    if run.stage == "running":
        limit = run.claimed.timeout_s or 0.0
        run.reason = ("TaskTimeout", f"The task ran longer than its limit of {limit:g} s and was killed.")
    elif run.eof and not run.reason:
        run.reason = _LOST
    elif run.eof:
        _finish(plan, child)
        return
    elif run.ended:  # something outside its process group holds the socket
        run.due = NEVER
        actions.append(Close(child))
        return
    _kill(plan, child, run, now, actions)


def _on_template_down(plan: Plan, reason: str, now: float, jitter: float, actions: list[Action]) -> None:
    stable = plan.template_up and now - plan.template_since > TEMPLATE_STABLE_S
    plan.template_failures = 1 if stable else plan.template_failures + 1
    plan.template_at = now + _backoff(plan.template_failures, jitter)
    plan.template_up, plan.forking, plan.fork_at = False, 0, NEVER
    plan.spares.clear()
    for child, run in list(plan.running.items()):
        run.reason = run.reason or ("TemplateDied", f"The task's process died with its template: {reason}")
        if run.eof:
            _finish(plan, child)
        elif not run.ended:
            _kill(plan, child, run, now, actions)


def _on_stop(plan: Plan, hard: bool, now: float, actions: list[Action]) -> None:
    if plan.stop == "abort":
        _exit(plan, actions)
    elif plan.grace_at != NEVER:
        _abort(plan, now, actions)
    else:
        plan.stop = "drain"
        plan.grace_at = now + plan.settings.grace_s if hard else NEVER


def _abort(plan: Plan, now: float, actions: list[Action]) -> None:
    plan.stop, plan.grace_at, plan.exit_at = "abort", NEVER, now + plan.settings.report_s
    for child, run in plan.running.items():
        run.reason = run.reason or _ABORTED  # an outcome that is here already counts for more
        _kill(plan, child, run, now, actions)


def _exit(plan: Plan, actions: list[Action]) -> None:
    plan.exited = True
    actions.append(Exit(EXIT_ABORTED if plan.stop == "abort" else EXIT_DRAINED))


# --- what follows from the new state


def _assign(plan: Plan, now: float, actions: list[Action]) -> None:
    while plan.unassigned and plan.stop == "abort":
        claimed = plan.unassigned.popleft()
        plan.finished.append(_failed(claimed, _ABORTED, None))
    while plan.unassigned and plan.spares:
        claimed, child = plan.unassigned.popleft(), plan.spares.popleft()
        plan.running[child] = Run(claimed, NEVER if claimed.timeout_s is None else now + claimed.timeout_s)
        actions.append(Assign(child, claimed))


def _provide(plan: Plan, now: float, actions: list[Action]) -> None:
    """See to it that children are there before they are needed."""
    if now >= plan.fork_at:
        plan.fork_at = NEVER
    if not _needs_children(plan):
        return
    if now >= plan.template_at:
        plan.template_at = NEVER
        actions.append(StartTemplate())
    if plan.template_up and plan.fork_at == NEVER:
        target = len(plan.unassigned) if plan.stop else plan.settings.slots + 1
        count = target - len(plan.spares) - plan.forking
        if count > 0:
            plan.forking += count
            actions.append(Fork(count))


def _ask(plan: Plan, now: float, actions: list[Action]) -> None:
    if plan.call is None and now >= plan.retry_at:
        plan.call = _next_call(plan, now)
        if plan.call is not None:
            actions.append(plan.call)


def _next_call(plan: Plan, now: float) -> Call | None:
    if not plan.joined:
        return AskJoin() if plan.template_up and not plan.stop else None
    if now >= plan.beat_at:
        state = "draining" if plan.stop else "working" if plan.running else "sleeping"
        return AskBeat(state, len(plan.running))
    want = _want(plan)
    if plan.finished or (plan.hungry and want) or now >= plan.settle_at:
        finished = tuple(plan.finished)
        plan.finished.clear()
        plan.hinted, plan.settle_at = False, NEVER
        return AskAdvance(finished, want)
    return AskLeave() if _is_drained(plan) else None


def _kill(plan: Plan, child: int, run: Run, now: float, actions: list[Action]) -> None:
    run.stage, run.due = "killed", now + plan.settings.linger_s
    actions.append(Kill(child))


def _finish(plan: Plan, child: int) -> None:
    run = plan.running.pop(child)
    if run.outcome is None:
        plan.finished.append(_failed(run.claimed, run.reason or run.ended or _LOST, run.output))
        return
    _, state, result, error = run.outcome
    plan.finished.append(Finish(run.claimed.id, run.claimed.token, state, result, error, run.output))


def _failed(claimed: Claimed, reason: tuple[str, str], output: str | None) -> Finish:
    error = {"type": reason[0], "message": reason[1], "traceback": ""}
    return Finish(claimed.id, claimed.token, FAILED, None, json.dumps(error, ensure_ascii=False), output)
