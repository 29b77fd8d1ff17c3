from __future__ import annotations

import pytest

from latchwork.core import states
from latchwork.core.task import Task


def task(state: str, unblocked_at: float | None = None) -> Task:
    return Task(
        id="01890a5d-ac96-774b-bcce-b302099a8057",
        name="m.f",
        state=state,
        priority=0,
        attempt=1,
        exclusive=(),
        shared=(),
        ticket=1,
        created_at=0.0,
        unblocked_at=unblocked_at,
        started_at=None,
        finished_at=None,
        node=None,
        parent=None,
        timeout_s=None,
        payload=None,
        result=None,
        error=None,
        output=None,
    )


@pytest.mark.parametrize("state", states.ALL)
def test_a_task_is_final_in_the_final_states_and_ok_only_when_completed(state: str) -> None:
    assert task(state).final == (state in states.FINAL)
    assert task(state).ok == (state == states.COMPLETED)


def test_a_waiting_task_is_blocked_until_it_is_unblocked_and_ready_after() -> None:
    assert (task(states.WAITING).blocked, task(states.WAITING).ready) == (True, False)
    assert (task(states.WAITING, 1.0).blocked, task(states.WAITING, 1.0).ready) == (False, True)


@pytest.mark.parametrize("state", [state for state in states.ALL if state != states.WAITING])
def test_only_a_waiting_task_is_blocked_or_ready(state: str) -> None:
    assert not task(state).blocked
    assert not task(state, 1.0).ready
