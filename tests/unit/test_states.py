from __future__ import annotations

import pytest

from latchwork.core import states


def test_the_table_names_every_state_and_only_states() -> None:
    assert set(states.TRANSITIONS) == set(states.ALL) == states.FINAL | states.INCOMPLETE
    assert all(after <= set(states.ALL) for after in states.TRANSITIONS.values())
    assert states.FINAL.isdisjoint(states.INCOMPLETE)


@pytest.mark.parametrize("final", sorted(states.FINAL))
def test_nothing_leaves_a_final_state(final: str) -> None:
    assert not any(states.is_legal(final, new) for new in states.ALL)


@pytest.mark.parametrize("state", sorted(states.INCOMPLETE))
def test_from_every_incomplete_state_an_end_can_be_reached(state: str) -> None:
    reached, frontier = {state}, [state]
    while frontier:
        new = states.TRANSITIONS[frontier.pop()] - reached
        reached |= new
        frontier += new
    assert reached & states.FINAL


@pytest.mark.parametrize("state", states.ALL)
def test_no_state_follows_itself(state: str) -> None:
    assert not states.is_legal(state, state)


def test_only_a_claimed_task_can_complete_and_only_a_running_one_is_canceling() -> None:
    assert [old for old in states.ALL if states.is_legal(old, states.COMPLETED)] == [states.RUNNING]
    assert [old for old in states.ALL if states.is_legal(old, states.CANCELING)] == [states.RUNNING]


def test_a_word_that_is_no_state_is_an_error() -> None:
    with pytest.raises(KeyError):
        states.is_legal("done", states.COMPLETED)
