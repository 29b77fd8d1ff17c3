"""What cannot be stored is refused with the right class and a message that names the value (PROOF 10, the pure part).

Nothing here touches a database: these checks run before anything is stored.
"""

from __future__ import annotations

import asyncio
import collections
import datetime as dt
import decimal
import enum
import fractions
import io
import math
import pathlib
import pickle
import re
import types
import uuid
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import pytest

from latchwork.core.ids import check_id, created_ms
from latchwork.core.payload import decode, decode_arguments, encode_arguments, encode_result
from latchwork.core.registry import Registry, check_priority, check_task_name, check_timeout_s
from latchwork.core.resource import check_name, normalise
from latchwork.errors import ArgumentsError, InputError, PayloadError, ResourceError, UnknownTask

encode: Any = encode_arguments  # these two without their types: what a type checker refuses is tried here
register: Any = Registry().register


class Case(NamedTuple):
    """One bad input: what is done, the class it must raise, and what the message must say."""

    label: str
    call: Callable[[], object]
    error: type[InputError]
    says: str


class Color(enum.Enum):
    RED = 1


class Loud(enum.IntEnum):
    ON = 1


class Tag(str):
    __slots__ = ()


class Grown(int):
    pass


class Angry:
    """Raises from everything that a careless message would call."""

    def __repr__(self) -> str:
        raise RuntimeError("no repr")

    __str__ = __repr__

    def __reduce__(self) -> str:
        raise RuntimeError("no pickle")


def sync(repo: str, url: str = "") -> None: ...


def exact(one: int, /, *, two: int) -> None: ...


def anything(*args: object, **kwargs: object) -> None: ...


def takes_nothing() -> list[str]:
    return []


def unfinished() -> Any:
    yield


async def async_unfinished() -> Any:
    yield


def nested(levels: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(levels):
        value = [value]
    return value


def loop() -> list[Any]:
    value: list[Any] = []
    value.append(value)
    return value


def wide() -> list[Any]:
    value: list[Any] = ["x"]
    for _ in range(50):
        value = [value, value]
    return value


def defined(**options: Any) -> object:
    return Registry().register(sync, **options)


def bound(function: Callable[..., Any], *args: object, **kwargs: object) -> object:
    return Registry().register(function).bind(args, kwargs)


def locked(value: object, template: str = "repo:{repo}") -> object:
    task = Registry().register(sync, exclusive=[template])
    return task.locks(task.bind([], {"repo": value}))


def called(resources: Callable[..., Any]) -> object:
    task = Registry().register(sync, shared=resources)
    return task.locks(task.bind(["a"], {}))


def known(name: Any) -> object:
    registry = Registry()
    registry.register(sync, name="repo.sync")
    return registry.get(name)


def named(value: object) -> Callable[[], object]:
    return lambda: encode_arguments([], {"items": [0, {"bad": value}]})


AT = "kwargs.items[1].bad: "
VALUES: list[tuple[str, object, str]] = [
    ("NaN", math.nan, AT + "nan is not JSON; pass None or text"),
    ("infinity", math.inf, AT + "inf is not JSON"),
    ("minus infinity", -math.inf, AT + "-inf is not JSON"),
    ("bytes", b"\x80\x04K\x01.", AT + "bytes is not JSON; pass base64"),
    ("pickle", pickle.dumps({"a": 1}), AT + "bytes is not JSON"),
    ("bytearray", bytearray(b"x"), AT + "bytearray is not JSON; pass base64"),
    ("memoryview", memoryview(b"x"), AT + "memoryview is not JSON"),
    ("set", {1}, AT + "set is not JSON; pass a sorted list"),
    ("frozenset", frozenset([1]), AT + "frozenset is not JSON; pass a sorted list"),
    ("datetime", dt.datetime(2024, 1, 1, tzinfo=dt.UTC), AT + "datetime is not JSON; pass an ISO string"),
    ("date", dt.date(2024, 1, 1), AT + "date is not JSON; pass an ISO string"),
    ("timedelta", dt.timedelta(1), AT + "timedelta is not JSON; pass seconds"),
    ("Decimal", decimal.Decimal("1.10"), AT + "Decimal is not JSON; pass str(value)"),
    ("Fraction", fractions.Fraction(1, 3), AT + "Fraction is not JSON; pass str(value)"),
    ("complex", 1j, AT + "complex is not JSON"),
    ("range", range(3), AT + "range is not JSON; pass list(value)"),
    ("generator", (n for n in [1]), AT + "generator is not JSON; pass list(value)"),
    ("function", sync, AT + "function is not JSON; pass a name or an id, not code"),
    ("class", Color, AT + "EnumType is not JSON"),
    ("module", types, AT + "module is not JSON"),
    ("open file", io.StringIO(), AT + "StringIO is not JSON"),
    ("path", pathlib.PurePosixPath("/a"), AT + "PurePosixPath is not JSON; pass str(value)"),
    ("exception", ValueError("x"), AT + "ValueError is not JSON; pass str(error)"),
    ("ellipsis", ..., AT + "ellipsis is not JSON"),
    ("plain object", object(), AT + "object is not JSON"),
    ("object that raises from repr and pickle", Angry(), AT + "Angry is not JSON"),
    ("enum member", Color.RED, AT + "a member of the enum Color would arrive as a plain value; pass its .value"),
    ("int enum member", Loud.ON, AT + "a member of the enum Loud"),
    ("str subclass", Tag("x"), AT + "a Tag would arrive as a plain str; pass str(value)"),
    ("int subclass", Grown(1), AT + "a Grown would arrive as a plain int; pass int(value)"),
    ("named tuple", Case("", dict, InputError, ""), AT + "a Case would arrive as a plain tuple; pass tuple(value)"),
    ("counter", collections.Counter("a"), AT + "a Counter would arrive as a plain dict; pass dict(value)"),
    ("int key", {1: 2}, "kwargs.items[1].bad[1]: the key 1 is an int"),
    ("None key", {None: 2}, "kwargs.items[1].bad[None]: the key None is a NoneType"),
    ("bool key", {True: 2}, "the key True is a bool"),
    ("tuple key", {(1,): 2}, "the key (1,) is a tuple"),
    ("str subclass key", {Tag("x"): 2}, "the key 'x' is a Tag, JSON keys are str"),
    ("huge int key", {10**9999: 2}, "the key <int that cannot be shown> is an int"),
    ("high surrogate", "a\ud800", AT + r"the lone surrogate '\ud800' at character 1"),
    ("low surrogate", "\udfff", AT + r"the lone surrogate '\udfff' at character 0"),
    ("surrogate pair as two", "\ud83d\ude00", AT + r"the lone surrogate '\ud83d'"),
    ("surrogate key", {"\ud800": 1}, r"kwargs.items[1].bad['\ud800']: the lone surrogate"),
    ("NUL", "a\0b", AT + "NUL at character 1"),
    ("NUL key", {"\0": 1}, r"kwargs.items[1].bad['\x00']: NUL at character 0"),
    ("int of 4,301 digits", 10**4300, AT + "an int of more than 4300 digits"),
    ("negative int of 4,301 digits", -(10**4300), AT + "an int of more than 4300 digits"),
    ("depth 1,000", nested(1000), "nested deeper than 64 levels"),
    ("contains itself", loop(), "contains itself"),
    ("unfolds to 2^50 values", wide(), "exceed the limit of 1048576"),
    ("2 MiB of text", "x" * 2**21, AT + "at least 1048577 bytes of JSON exceed the limit of 1048576"),
    ("2 MiB in four-byte letters", "𝄞" * 2**19, "bytes of JSON exceed the limit of 1048576"),
    ("100 k keys", {f"key{n:09}": n for n in range(100_000)}, "exceed the limit of 1048576"),
    ("a million values", [0] * 2**21, "exceed the limit of 1048576"),
]

TEXTS: list[tuple[str, Any, str]] = [
    ("empty", "", "'' is not exact JSON: Expecting value"),
    ("not JSON", "repo=fedora", "'repo=fedora' is not exact JSON"),
    ("single quotes", "{'a': 1}", "Expecting property name"),
    ("trailing comma", "[1,]", "'[1,]' is not exact JSON"),
    ("two values", "1 2", "Extra data"),
    ("comment", "[1] // x", "Extra data"),
    ("cut off", '{"a": [1', "is not exact JSON"),
    ("byte order mark", "\ufeff1", "is not exact JSON"),
    ("raw control character", '"a\nb"', "control character"),
    ("bad escape", r'"\x41"', "escape"),
    ("leading zero", "012", "Extra data"),
    ("plus sign", "+1", "is not exact JSON"),
    ("hex", "0x10", "is not exact JSON"),
    ("python word", "None", "'None' is not exact JSON"),
    ("NaN", '{"a": NaN}', "NaN is not JSON"),
    ("Infinity", "Infinity", "Infinity is not JSON"),
    ("minus Infinity", "[-Infinity]", "-Infinity is not JSON"),
    ("1e400", "[1e400]", "1e400 is beyond what a float can hold"),
    ("-1e400", "-1e400", "-1e400 is beyond"),
    ("duplicate key", '{"a": 1, "b": 2, "a": 1}', "the key 'a' stands twice"),
    ("duplicate key by escape", r'{"a": 1, "\u0061": 1}', "the key 'a' stands twice"),
    ("duplicate empty key", '[{"": 1, "": 2}]', "the key '' stands twice"),
    ("escaped lone surrogate", r'{"a": ["\ud800"]}', "a[0]: the lone surrogate"),
    ("escaped surrogate key", r'{"\udc00": 1}', "the lone surrogate"),
    ("raw lone surrogate", '"\ud800"', "lone surrogate at character 1"),
    ("escaped NUL", r'{"a": "x\u0000"}', "a: NUL at character 1"),
    ("depth 100,000", "[" * 100_000, "nested deeper than 64"),
    ("depth 65 well formed", "[" * 65 + "]" * 65, "nested deeper than 64"),
    ("5,000 digits", "9" * 5000, "digits"),
    ("above 16 MiB", '"' + "x" * 2**24 + '"', "16777218 bytes of JSON exceed the limit of 16777216"),
    ("bytes", b'{"a": 1}', "got bytes"),
    ("pickle", pickle.dumps([1]), "got bytes; nothing else is ever decoded"),
    ("None", None, "got NoneType"),
    ("a value already decoded", {"args": []}, "got dict"),
]

CASES = [
    *(Case(f"argument: {label}", named(value), PayloadError, says) for label, value, says in VALUES),
    *(Case(f"text: {label}", partial(decode, text), PayloadError, says) for label, text, says in TEXTS),
    Case("args: a text", lambda: encode_arguments("abc", {}), PayloadError, "got str; write args=[value]"),
    Case("args: a set", lambda: encode({1}, {}), PayloadError, "got set"),
    Case("args: None", lambda: encode(None, {}), PayloadError, "got NoneType"),
    Case("kwargs: a list", lambda: encode([], [("a", 1)]), PayloadError, "got list"),
    Case("kwargs: an int key", lambda: encode([], {1: 2}), PayloadError, "the key 1"),
    Case("args: the third is bad", lambda: encode_arguments([1, 2, {3}], {}), PayloadError, "args[2]: set"),
    Case("result: a set", lambda: encode_result({"a": {1}}), PayloadError, "result.a: set is not JSON"),
    Case("result: an object", lambda: encode_result(Angry()), PayloadError, "result: Angry is not JSON"),
    Case("result: a task that forgot to await", lambda: encode_result(asyncio.Lock()), PayloadError, "result: Lock"),
    Case("arguments: an array", lambda: decode_arguments("[1]"), PayloadError, "got '[1]'"),
    Case("arguments: a third key", lambda: decode_arguments('{"args":[],"kwargs":{},"x":1}'), PayloadError, '"x":1'),
    Case("arguments: args is an object", lambda: decode_arguments('{"args":{},"kwargs":{}}'), PayloadError, "array"),
    # resources
    Case("resource: empty", lambda: check_name(""), ResourceError, "must not be empty"),
    Case("resource: None", lambda: check_name(None), ResourceError, "NoneType (None)"),
    Case("resource: an int", lambda: check_name(7), ResourceError, "int (7)"),
    Case("resource: bytes", lambda: check_name(b"a"), ResourceError, "bytes (b'a')"),
    Case("resource: 201 characters", lambda: check_name("x" * 201), ResourceError, "201 characters"),
    Case("resource: 64 KiB", lambda: check_name("y" * 65536), ResourceError, "'yyyy"),
    Case("resource: NUL", lambda: check_name("a\0"), ResourceError, r"'a\x00' holds a NUL"),
    Case("resource: surrogate", lambda: check_name("\ud800"), ResourceError, r"'\ud800' holds a lone surrogate"),
    Case("resources: 65", lambda: normalise(map(str, range(65))), ResourceError, "got 65"),
    Case("resources: 10,000", lambda: normalise((), map(str, range(10_000))), ResourceError, "got 10000"),
    Case("resources: one text", lambda: normalise("repo"), ResourceError, "single value 'repo'"),
    Case("value: None", lambda: locked(None), ResourceError, "argument repo is None"),
    Case("value: bool", lambda: locked(True), ResourceError, "argument repo is a bool (True)"),
    Case("value: float", lambda: locked(1.0), ResourceError, "argument repo is a float (1.0)"),
    Case("value: list", lambda: locked(["a"]), ResourceError, "argument repo is a list (['a'])"),
    Case("value: enum member", lambda: locked(Color.RED), ResourceError, "argument repo is a Color"),
    Case("value: str subclass", lambda: locked(Tag("x")), ResourceError, "argument repo is a Tag ('x')"),
    Case("value: an object that raises from repr", lambda: locked(Angry()), ResourceError, "argument repo is a Angry"),
    Case("value: overlong", lambda: locked("x" * 500), ResourceError, "505 characters"),
    Case("value: NUL", lambda: locked("\0"), ResourceError, r"'repo:\x00' holds a NUL"),
    Case("value: surrogate", lambda: locked("\udc80"), ResourceError, r"'repo:\udc80'"),
    Case("value: empty, nothing around it", lambda: locked("", "{repo}"), ResourceError, "must not be empty"),
    Case("callable: raises", lambda: called(lambda b: b["x"]), ResourceError, "raised KeyError: 'x'"),
    Case("callable: wrong arity", lambda: called(takes_nothing), ResourceError, "raised TypeError"),
    Case("callable: one text", lambda: called(lambda _: "repo"), ResourceError, "got 'repo'; write [name]"),
    Case("callable: None", lambda: called(lambda _: None), ResourceError, "got None"),
    Case("callable: holds None", lambda: called(lambda _: ["a", None]), ResourceError, "NoneType (None)"),
    # templates
    Case("template: attribute", lambda: defined(exclusive=["{repo.__class__}"]), ResourceError, "{repo.__class__}"),
    Case("template: index", lambda: defined(exclusive=["{repo[0]}"]), ResourceError, "{repo[0]}"),
    Case("template: conversion", lambda: defined(exclusive=["{repo!r}"]), ResourceError, "'!r' after 'repo'"),
    Case("template: format spec", lambda: defined(exclusive=["{repo:>9}"]), ResourceError, "':>9' after 'repo'"),
    Case("template: nested spec", lambda: defined(exclusive=["{repo:{url}}"]), ResourceError, "':{url}' after 'repo'"),
    Case(
        "template: unknown",
        lambda: defined(shared=["{rope}"]),
        ResourceError,
        "no parameter 'rope'; its parameters: repo",
    ),
    Case("template: positional", lambda: defined(shared=["{0}"]), ResourceError, "no parameter '0'"),
    Case("template: no name", lambda: defined(shared=["x{}"]), ResourceError, "'x{}': an empty field"),
    Case("template: open brace", lambda: defined(shared=["{repo"]), ResourceError, "'{repo'"),
    Case("template: close brace", lambda: defined(shared=["repo}"]), ResourceError, "'repo}'"),
    Case("template: blank", lambda: defined(shared=["{ repo }"]), ResourceError, "no parameter ' repo '"),
    Case("template: not text", lambda: defined(shared=[7]), ResourceError, "got int"),
    Case("template: empty", lambda: defined(shared=[""]), ResourceError, "must not be empty"),
    Case("template: a single text", lambda: defined(shared="repo:{repo}"), ResourceError, "got 'repo:{repo}'"),
    Case("template: None", lambda: defined(shared=None), ResourceError, "got None"),
    Case(
        "template: a variadic parameter",
        lambda: Registry().register(anything, shared=["{args}"]),
        ResourceError,
        "no parameter 'args'; its parameters: none",
    ),
    # definitions
    Case(
        "timeout: 0", lambda: defined(timeout_s=0), InputError, "0.001 to 2592000 seconds, or None for no limit, got 0"
    ),
    Case(
        "timeout: negative", lambda: defined(timeout_s=-1), InputError, "2592000 seconds, or None for no limit, got -1"
    ),
    Case("timeout: NaN", lambda: defined(timeout_s=math.nan), InputError, "got nan"),
    Case("timeout: infinity", lambda: defined(timeout_s=math.inf), InputError, "got inf"),
    Case("timeout: 10^12", lambda: check_timeout_s(10**12), InputError, "got 1000000000000"),
    Case("timeout: 10^400", lambda: check_timeout_s(10**400), InputError, "got 1000"),
    Case("timeout: bool", lambda: check_timeout_s(True), InputError, "got True"),
    Case("timeout: text", lambda: check_timeout_s("60"), InputError, "got '60'"),
    Case("timeout: timedelta", lambda: check_timeout_s(dt.timedelta(1)), InputError, "timedelta(days=1)"),
    Case("priority: 2^31", lambda: defined(priority=2**31), InputError, "-1000 to 1000, got 2147483648"),
    Case("priority: -2^31", lambda: check_priority(-(2**31)), InputError, "got -2147483648"),
    Case("priority: 1001", lambda: check_priority(1001), InputError, "got 1001"),
    Case("priority: bool", lambda: check_priority(True), InputError, "got True"),
    Case("priority: float", lambda: check_priority(1.0), InputError, "got 1.0"),
    Case("priority: NaN", lambda: check_priority(math.nan), InputError, "got nan"),
    Case("priority: None", lambda: check_priority(None), InputError, "got None"),
    Case("priority: 10^5000", lambda: check_priority(10**5000), InputError, "an int from -1000 to 1000"),
    Case("name: empty", lambda: defined(name=""), InputError, "'' has 0 characters"),
    Case("name: 201 characters", lambda: defined(name="n" * 201), InputError, "201 characters"),
    Case("name: NUL", lambda: check_task_name("a\0"), InputError, r"'a\x00'"),
    Case("name: surrogate", lambda: check_task_name("\ud800"), InputError, r"'\ud800'"),
    Case("name: terminal escape", lambda: check_task_name("\x1b[2J"), InputError, r"'\x1b[2J'"),
    Case("name: right-to-left override", lambda: check_task_name("a\u202eb"), InputError, r"'a\u202eb'"),
    Case("name: new line", lambda: check_task_name("a\nb"), InputError, r"'a\nb'"),
    Case("name: blanks around", lambda: check_task_name(" a"), InputError, "' a'"),
    Case("name: an int", lambda: check_task_name(7), InputError, "got int"),
    Case("function: None", lambda: register(None), InputError, "got None"),
    Case("function: a class", lambda: Registry().register(Color), InputError, "got <enum 'Color'>"),
    Case("function: a generator", lambda: Registry().register(unfinished), InputError, "is a generator"),
    Case("function: an async generator", lambda: Registry().register(async_unfinished), InputError, "is a generator"),
    Case("function: a lambda", lambda: Registry().register(lambda: 0), InputError, "pass name="),
    Case("function: no signature", lambda: Registry().register(iter), InputError, "not known"),
    # calls
    Case("call: missing", lambda: bound(sync), ArgumentsError, "missing a required argument: 'repo'"),
    Case("call: unknown", lambda: bound(sync, "a", rope=1), ArgumentsError, "unexpected keyword argument 'rope'"),
    Case("call: twice", lambda: bound(sync, "a", repo="a"), ArgumentsError, "multiple values for argument 'repo'"),
    Case("call: too many", lambda: bound(sync, 1, 2, 3), ArgumentsError, "got 3 positional arguments"),
    Case("call: positional only", lambda: bound(exact, one=1, two=2), ArgumentsError, "'one'"),
    Case("call: keyword only", lambda: bound(exact, 1, 2), ArgumentsError, "too many positional arguments"),
    Case("unknown: shell", lambda: known("os.system"), UnknownTask, "'os.system'"),
    Case("unknown: eval", lambda: known("builtins.eval"), UnknownTask, "'builtins.eval'"),
    Case("unknown: dunder walk", lambda: known("repo.sync.__globals__"), UnknownTask, "'repo.sync.__globals__'"),
    Case("unknown: import on access", lambda: known("antigravity"), UnknownTask, "'antigravity'"),
    Case("unknown: 64 KiB", lambda: known("a" * 65536), UnknownTask, "'aaaa"),
    Case("unknown: NUL", lambda: known("repo.sync\0"), UnknownTask, r"'repo.sync\x00'"),
    Case("unknown: None", lambda: known(None), UnknownTask, "got NoneType"),
    Case("unknown: unhashable", lambda: known(["repo.sync"]), UnknownTask, "got list"),
    # ids
    Case("id: empty", lambda: check_id(""), InputError, "'' is no task id"),
    Case("id: braces", lambda: check_id(f"{{{uuid.UUID(int=1)}}}"), InputError, "'{00000000-"),
    Case("id: no dashes", lambda: check_id(uuid.UUID(int=1).hex), InputError, "'0000000000000000"),
    Case("id: dashes elsewhere", lambda: check_id("0" * 12 + "-0000-0000-0000-" + "0" * 8), InputError, "no task id"),
    Case("id: urn", lambda: check_id(uuid.UUID(int=1).urn), InputError, "'urn:uuid:"),
    Case("id: not hex", lambda: check_id("g" + str(uuid.UUID(int=1))[1:]), InputError, "'g0000000"),
    Case("id: other digits", lambda: check_id("٠" + str(uuid.UUID(int=1))[1:]), InputError, "'٠0000000"),
    Case("id: injection", lambda: check_id("' OR 1=1 --"), InputError, "OR 1=1"),
    Case("id: blanks", lambda: check_id(f" {uuid.UUID(int=1)}"), InputError, "' 00000000"),
    Case("id: a UUID object", lambda: check_id(uuid.UUID(int=1)), InputError, "got UUID"),
    Case("id: an int", lambda: check_id(5), InputError, "got int"),
    Case("id: no time in it", lambda: created_ms(str(uuid.UUID(int=1))), InputError, "no UUID of version 7"),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.label)
def test_a_bad_input_is_refused_with_its_class_and_named(case: Case) -> None:
    with pytest.raises(case.error, match=re.escape(case.says)) as caught:
        case.call()
    assert type(caught.value) is case.error
    message = str(caught.value)
    assert len(message) < 700, "a message is read by people"
    message.encode()  # and can be printed and stored
    assert message.isprintable(), "no control character reaches a terminal"


def test_the_table_is_as_long_as_it_claims() -> None:
    assert len({case.label for case in CASES}) == len(CASES) >= 150
