from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from latchwork.core.resource import RESOURCES_PER_TASK_MAX, LockSet, check_name, normalise
from latchwork.errors import ResourceError

NAMES = st.lists(st.sampled_from(["a", "b", "c", "é", "z", "\uffff", "𝄞"]), max_size=8)
SETS = st.builds(normalise, NAMES, NAMES)


@given(NAMES, NAMES)
def test_a_normal_set_names_each_resource_once_exclusive_wins_sorted_by_bytes(
    exclusive: list[str], shared: list[str]
) -> None:
    normal = normalise(exclusive, shared)
    assert set(normal.exclusive) == set(exclusive)
    assert set(normal.shared) == set(shared) - set(exclusive)
    for names in normal:
        assert list(names) == sorted(set(names), key=lambda name: name.encode())


@given(SETS)
def test_normalising_twice_changes_nothing(locks: LockSet) -> None:
    assert normalise(*locks) == locks


@given(SETS, SETS)
def test_sets_conflict_when_one_resource_is_in_both_and_exclusive_in_one(one: LockSet, other: LockSet) -> None:
    expected = any(
        name in other.exclusive + other.shared and (name in one.exclusive or name in other.exclusive)
        for name in one.exclusive + one.shared
    )
    assert one.conflicts_with(other) == other.conflicts_with(one) == expected


def test_order_is_by_utf8_bytes_as_in_postgresql_and_not_by_utf16() -> None:
    assert normalise(["\U0001d11e", "\uffff"]).exclusive == ("\uffff", "\U0001d11e")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("caf\u00e9", "cafe\u0301"),
        ("Repo", "repo"),
        ("repo", "repo "),
        ("repo", "shared:repo"),
        ("a/b", "a/../a/b"),
        ("50%", "50%%"),
        ("it's", "it''s"),
    ],
)
def test_names_that_only_look_alike_are_two_resources(one: str, other: str) -> None:
    assert normalise([one, other]).exclusive == tuple(sorted([one, other], key=str.encode))
    assert not normalise([one]).conflicts_with(normalise([other]))


def test_the_limits_are_reached_and_not_passed() -> None:
    assert check_name("x" * 200)
    assert check_name("𝄞" * 200), "characters count, not bytes"
    names = [f"r{i}" for i in range(RESOURCES_PER_TASK_MAX)]
    assert normalise(names[:32], names[32:])
    assert normalise(names, names), "a name asked in both modes counts once"
    with pytest.raises(ResourceError, match="at most 64 resources, got 65"):
        normalise(names, ["one more"])
