from __future__ import annotations

import enum
import json
import math
import subprocess
import sys
import uuid
from collections import OrderedDict, namedtuple
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from latchwork.core import payload
from latchwork.core.payload import DEPTH_MAX, decode, decode_arguments, encode_arguments, encode_result
from latchwork.errors import ConfigError, PayloadError

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner), max_leaves=30)


def same(left: Any, right: Any) -> bool:
    """Equality that also tells 1 from True, 1 from 1.0, 0.0 from -0.0, and one key order from another."""
    if type(left) is not type(right):
        return False
    if isinstance(left, list):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, dict):
        return list(left) == list(right) and all(same(left[key], right[key]) for key in left)
    return bool(left.hex() == right.hex() if isinstance(left, float) else left == right)


def nested(levels: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(levels - 1):
        value = [value]
    return value


@given(VALUES)
def test_a_result_round_trips_value_for_value_and_type_for_type(value: Any) -> None:
    assert same(decode(encode_result(value)), value)


@given(st.lists(VALUES), st.dictionaries(TEXT, VALUES))
def test_arguments_round_trip(args: list[Any], kwargs: dict[str, Any]) -> None:
    got_args, got_kwargs = decode_arguments(encode_arguments(args, kwargs))
    assert same(got_args, args)
    assert same(got_kwargs, kwargs)


@given(VALUES)
def test_the_text_is_what_other_json_readers_read(value: Any) -> None:
    assert same(json.loads(encode_result(value)), value)


@given(st.text())
def test_any_text_is_either_carried_exactly_or_refused(value: str) -> None:
    try:
        text = encode_result(value)
    except PayloadError:
        assert "\0" in value or any("\ud800" <= letter <= "\udfff" for letter in value)
    else:
        assert decode(text) == value


@given(st.text(alphabet='[]{}",:\\u0d8ce1.-+naNIfity ', max_size=40))
def test_decoding_any_text_gives_a_value_or_a_payload_error(text: str) -> None:
    try:
        value = decode(text)
    except PayloadError:
        return
    encode_result(value)  # what was let in can go out again


def test_the_form_of_arguments_is_fixed_and_compact() -> None:
    assert encode_arguments((1, "é"), {"b": None, "a": [True]}) == '{"args":[1,"é"],"kwargs":{"b":null,"a":[true]}}'


def test_a_tuple_arrives_as_a_list_and_a_uuid_as_its_text() -> None:
    some = uuid.UUID("01890a5d-ac96-774b-bcce-b302099a8057")
    assert decode_arguments(encode_arguments([(1, (2,))], {"id": some})) == ([[1, [2]]], {"id": str(some)})


def test_a_uuid_subclass_of_a_driver_is_a_uuid() -> None:
    class DriverUUID(uuid.UUID):
        def __str__(self) -> str:
            return "not this"

    assert encode_result(DriverUUID(int=1)) == f'"{uuid.UUID(int=1)}"'


@pytest.mark.parametrize("number", [2**53 + 1, -(2**64), 10**4299, 1e-323, 1.7976931348623157e308, -0.0, 0.1 + 0.2])
def test_numbers_stay_exact(number: float) -> None:
    assert same(decode(encode_result(number)), number)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\ufeffbom",
        "𝄞 four bytes",
        "e\u0301 combining",
        "\u202eright to left",
        "zero\u200bwidth",
        "\x1b[31m",
        "\u2028",
        '"\\/',
    ],
)
def test_strange_but_valid_text_stays_byte_for_byte(text: str) -> None:
    assert decode(encode_result({text: text})) == {text: text}


def test_a_literal_backslash_u_is_no_escape() -> None:
    assert decode(encode_result("\\u0000 \\ud800")) == "\\u0000 \\ud800"


def test_depth_64_passes_and_65_does_not() -> None:
    assert decode(encode_result(nested(DEPTH_MAX))) == nested(DEPTH_MAX)
    assert decode_arguments(encode_arguments([nested(DEPTH_MAX)], {})) == ([nested(DEPTH_MAX)], {})
    for refused in (
        lambda: encode_result(nested(DEPTH_MAX + 1)),
        lambda: encode_arguments([], {"deep": nested(DEPTH_MAX + 1)}),
        lambda: decode("[" * (DEPTH_MAX + 1) + "]" * (DEPTH_MAX + 1)),
        lambda: decode('{"a":' * 100_000 + "1" + "}" * 100_000),
    ):
        with pytest.raises(PayloadError, match="nested deeper than 64"):
            refused()


def test_brackets_inside_texts_do_not_count_as_depth() -> None:
    assert decode(encode_result("[{" * 200)) == "[{" * 200


def test_many_brackets_side_by_side_are_not_deep() -> None:
    assert decode(encode_result([[]] * 500)) == [[]] * 500


def test_a_structure_that_contains_itself_ends_in_a_payload_error() -> None:
    loop: dict[str, Any] = {"next": []}
    loop["next"].append(loop)
    with pytest.raises(PayloadError, match=r"kwargs\.start\.next\[0\]\.next.*contains itself"):
        encode_arguments([], {"start": loop})


def test_a_small_graph_that_unfolds_to_a_huge_text_is_refused_before_it_is_built() -> None:
    bomb: list[Any] = []
    for _ in range(60):
        bomb = [bomb, bomb]
    with pytest.raises(PayloadError, match="exceed the limit of 1048576"):
        encode_result(bomb)


def test_the_size_limit_counts_utf8_bytes_and_is_exact() -> None:
    assert encode_result("é" * 10, max_bytes=22) == '"' + "é" * 10 + '"'
    with pytest.raises(PayloadError, match="22 bytes of JSON exceed the limit of 21"):
        encode_result("é" * 10, max_bytes=21)
    with pytest.raises(PayloadError, match=r"kwargs\.blob: at least 101 bytes of JSON exceed the limit of 100"):
        encode_arguments([], {"blob": "x" * 200}, max_bytes=100)


@pytest.mark.parametrize("limit", [0, -1, 16 * 1024 * 1024 + 1, True, 1.5, None])
def test_the_limit_itself_has_a_hard_cap(limit: Any) -> None:
    with pytest.raises(ConfigError, match="1 to 16777216 bytes"):
        encode_result(1, max_bytes=limit)


def test_subclasses_that_would_arrive_as_something_else_are_refused() -> None:
    class Mode(enum.StrEnum):
        FAST = "fast"

    class Level(enum.IntEnum):
        HIGH = 3

    class Seconds(float):
        pass

    point = namedtuple("point", "x y")
    for value, hint in (
        (Mode.FAST, r"pass its \.value"),
        (Level.HIGH, r"pass its \.value"),
        (Seconds(1), r"pass float\(value\)"),
        (point(1, 2), r"pass tuple\(value\)"),
        (OrderedDict(a=1), r"pass dict\(value\)"),
    ):
        with pytest.raises(PayloadError, match=hint):
            encode_result(value)
    assert encode_result({Mode.FAST.value: Level.HIGH.value}) == '{"fast":3}'


def test_a_kwargs_mapping_of_another_kind_is_taken() -> None:
    assert encode_arguments([], OrderedDict(a=1)) == '{"args":[],"kwargs":{"a":1}}'


@pytest.mark.parametrize(
    "text",
    [
        '{"args":[],"kwargs":{},"more":1}',
        '{"args":[]}',
        "[]",
        "null",
        '{"args":{},"kwargs":{}}',
        '{"args":[],"kwargs":[]}',
    ],
)
def test_arguments_of_another_form_are_refused(text: str) -> None:
    with pytest.raises(PayloadError, match="args"):
        decode_arguments(text)


def test_a_lower_digit_limit_of_the_interpreter_ends_in_a_payload_error() -> None:
    before = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(640)
    try:
        with pytest.raises(PayloadError, match="digits"):
            encode_result(10**1000)
        with pytest.raises(PayloadError, match="digits"):
            decode("1" * 1000)
    finally:
        sys.set_int_max_str_digits(before)


def test_messages_stay_short_whatever_the_value() -> None:
    key = "k" * 100_000
    with pytest.raises(PayloadError) as caught:
        encode_result({key: {key: {1, 2}}})
    assert len(str(caught.value)) < 500


def test_nan_stays_refused_in_every_disguise() -> None:
    for value in (math.nan, math.inf, -math.inf):
        with pytest.raises(PayloadError, match=r"args\[0\]: -?(nan|inf) is not JSON"):
            encode_arguments([value], {})


def test_the_module_imports_json_and_nothing_heavier() -> None:
    code = """
import json, sys, types
package = sys.modules["latchwork"] = types.ModuleType("latchwork")  # the public door stays closed: it imports the app
package.__path__ = [sys.argv[1]]
before = set(sys.modules)
import latchwork.core.payload
print(*sorted(set(sys.modules) - before))
"""
    root = str(Path(payload.__file__).parent.parent)
    done = subprocess.run([sys.executable, "-IS", "-c", code, root], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [
        "__future__",
        "latchwork.core",
        "latchwork.core.payload",
        "latchwork.core.show",
        "latchwork.errors",
    ]
