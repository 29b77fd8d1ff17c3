from __future__ import annotations

import os
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from latchwork.app import new_id
from latchwork.core.ids import check_id, created_ms, uuid7
from latchwork.errors import InputError

TIMES = st.integers(0, 2**48 - 1)
RANDOM = st.binary(min_size=10, max_size=10)


@given(TIMES, RANDOM)
def test_an_id_is_a_uuid_of_version_7_that_tells_its_time(now_ms: int, random: bytes) -> None:
    text = uuid7(now_ms, random)
    parsed = uuid.UUID(text)
    assert (parsed.version, parsed.variant, str(parsed)) == (7, uuid.RFC_4122, text)
    assert created_ms(text) == now_ms
    assert check_id(text) == text


@given(TIMES, RANDOM)
def test_all_74_random_bits_get_in(now_ms: int, random: bytes) -> None:
    parsed = uuid.UUID(uuid7(now_ms, random)).int
    low, middle = parsed & (2**62 - 1), parsed >> 64 & 0xFFF
    assert middle << 62 | low == int.from_bytes(random, "big") & (2**74 - 1)


@given(TIMES, TIMES, RANDOM, RANDOM)
def test_ids_sort_as_their_milliseconds(first: int, second: int, one: bytes, other: bytes) -> None:
    if first < second:
        assert uuid7(first, one) < uuid7(second, other)


def test_the_example_of_rfc_9562_comes_out() -> None:
    # Appendix A.6: 2022-02-22 19:22:22 UTC, rand_a 0xCC3, rand_b 0x18C4DC0C0C07398F
    random = (0xCC3 << 62 | 0x18C4DC0C0C07398F).to_bytes(10, "big")
    assert uuid7(0x017F22E279B0, random) == "017f22e2-79b0-7cc3-98c4-dc0c0c07398f"


def test_upper_case_is_the_same_id() -> None:
    assert check_id("017F22E2-79B0-7CC3-98C4-DC0C0C07398F") == "017f22e2-79b0-7cc3-98c4-dc0c0c07398f"


@pytest.mark.parametrize("now_ms", [-1, 2**48])
def test_a_time_that_does_not_fit_is_refused(now_ms: int) -> None:
    with pytest.raises(InputError, match=f"got {now_ms}"):
        uuid7(now_ms, bytes(10))


@pytest.mark.parametrize("length", [0, 9, 11, 16])
def test_another_number_of_random_bytes_is_refused(length: int) -> None:
    with pytest.raises(InputError, match=f"got {length}"):
        uuid7(0, bytes(length))


def test_another_uuid_version_does_not_tell_its_time() -> None:
    with pytest.raises(InputError, match="version 7"):
        created_ms("f47ac10b-58cc-4372-a567-0e02b2c3d479")


def test_ids_of_one_process_are_made_in_order() -> None:
    ids = [new_id() for _ in range(5_000)]
    assert ids == sorted(ids)
    assert len(set(ids)) == len(ids)
    assert all(check_id(one) == one for one in ids)


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # the runner has threads, the child none
def test_a_fork_makes_ids_of_its_own() -> None:
    new_id()
    reader, writer = os.pipe()
    if os.fork() == 0:
        os.write(writer, new_id().encode())
        os._exit(0)
    mine = new_id()
    assert os.read(reader, 36).decode() != mine
    os.wait()
    os.close(reader)
    os.close(writer)
