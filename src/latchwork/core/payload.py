"""Exact JSON, in and out: the only form in which arguments and results travel.

Promise: what :func:`decode` gives back equals what was encoded, value for value and type for type, with two
conversions only: a tuple arrives as a list, a UUID as its text. Everything else that JSON cannot carry exactly is
refused with a :class:`PayloadError` that names the path of the value (``kwargs.items[3].when``):

- NaN and the infinities; bytes, sets, dates, Decimal, any other object; keys that are not str;
- subclasses of int, float, str, list and dict (enum members, named tuples, numpy scalars): they would arrive as
  something else than was sent. The caller says what is meant: ``value.value``, ``int(value)``, ``dict(value)``;
- lone surrogates (not UTF-8) and NUL (PostgreSQL cannot hold it);
- nesting above 64, which is also how a structure that contains itself ends; ints of more than 4,300 digits (Python's
  own default limit on reading them back); texts above ``max_bytes``, refused before they are built.

Ints keep all their digits and floats their bits (Python's repr). A reader in another language may hold fewer.
The text is UTF-8 without escapes other than those JSON demands, keys in the order given: equal values, equal text.

Decoding trusts nothing: duplicate keys, NaN, floats that overflow (``1e400``), surrogates, NUL and depth are refused.

This module is imported by every process that forks children, and each import is paid at each fork: ``json`` only.
"""

from __future__ import annotations

import json

from latchwork.core.show import show
from latchwork.errors import ConfigError, PayloadError

TYPE_CHECKING = False  # as typing.TYPE_CHECKING, without importing typing
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any, NoReturn

DEPTH_MAX = 64
PAYLOAD_BYTES_DEFAULT = 1024 * 1024
PAYLOAD_BYTES_MAX = 16 * 1024 * 1024
INT_DIGITS_MAX = 4_300

_ENVELOPE_DEPTH = 2  # {"args": [ … ]} around each argument
_INT_LIMIT = 10**INT_DIGITS_MAX
_INFINITY = float("inf")
_PATH_CHARS_MAX = 200
_SIZE = "size"  # the reason whose message needs the limit

_HINTS = {
    "datetime": "pass an ISO string",
    "date": "pass an ISO string",
    "time": "pass an ISO string",
    "timedelta": "pass seconds",
    "Decimal": "pass str(value)",
    "Fraction": "pass str(value)",
    "complex": "pass [real, imag]",
    "bytes": "pass base64 or hex text",
    "bytearray": "pass base64 or hex text",
    "memoryview": "pass base64 or hex text",
    "set": "pass a sorted list",
    "frozenset": "pass a sorted list",
    "range": "pass list(value)",
    "generator": "pass list(value)",
    "coroutine": "await it and pass what it returns",
    "function": "pass a name or an id, not code",
    "type": "pass a name, not code",
    "EnumType": "pass a name, not code",
}


class _Bad(Exception):
    """A value that cannot be carried. The path is collected, innermost step first, while the walk unwinds."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.steps: list[str] = []


def encode_arguments(
    args: Sequence[object], kwargs: Mapping[str, object], *, max_bytes: int = PAYLOAD_BYTES_DEFAULT
) -> str:
    """Return ``{"args":[…],"kwargs":{…}}``. Raises PayloadError naming the argument that is not exact JSON."""
    if not isinstance(args, (list, tuple)):
        raise PayloadError(f"args must be a list or a tuple, got {type(args).__name__}; write args=[value]")
    if type(kwargs) is not dict:
        kwargs = _plain_dict(kwargs)
    return _encode({"args": list(args), "kwargs": kwargs}, DEPTH_MAX + _ENVELOPE_DEPTH, "", max_bytes)


def encode_result(value: object, *, max_bytes: int = PAYLOAD_BYTES_DEFAULT) -> str:
    """Return the JSON text of a task's result. Raises PayloadError naming the path from ``result`` on."""
    return _encode(value, DEPTH_MAX, "result", max_bytes)


def decode_arguments(text: str) -> tuple[list[Any], dict[str, Any]]:
    """Return the args and kwargs that :func:`encode_arguments` was given. Raises PayloadError."""
    value = _decode(text, DEPTH_MAX + _ENVELOPE_DEPTH)
    if type(value) is not dict or value.keys() != {"args", "kwargs"}:
        raise PayloadError(f'arguments must be {{"args": […], "kwargs": {{…}}}}, got {show(text, 60)}')
    args, kwargs = value["args"], value["kwargs"]
    if type(args) is not list or type(kwargs) is not dict:
        raise PayloadError(f"args must be a JSON array and kwargs a JSON object, got {show(text, 60)}")
    return args, kwargs


def decode(text: str) -> Any:
    """Return the value that the JSON ``text`` carries. Raises PayloadError for anything but exact JSON."""
    return _decode(text, DEPTH_MAX)


# --- encoding


def _encode(value: object, depth: int, root: str, max_bytes: int) -> str:
    if type(max_bytes) is not int or not 1 <= max_bytes <= PAYLOAD_BYTES_MAX:
        raise ConfigError(f"the payload limit must be 1 to {PAYLOAD_BYTES_MAX} bytes, got {show(max_bytes)}")
    try:
        _check(value, depth, max_bytes)
        text = _to_json(value)
    except _Bad as bad:
        reason = _too_large(f"at least {max_bytes + 1}", max_bytes) if bad.reason is _SIZE else bad.reason
        raise PayloadError(f"{_path(root, bad.steps)}: {reason}") from None
    except ValueError as error:  # the interpreter's own limit on digits was set below ours
        raise PayloadError(f"{root or 'arguments'}: {error}") from None
    size = len(text) if text.isascii() else len(text.encode())
    if size > max_bytes:
        raise PayloadError(f"{root or 'arguments'}: {_too_large(size, max_bytes)}")
    return text


def _check(value: Any, depth: int, left: int) -> int:
    """Walk ``value`` and raise _Bad at the first thing that is not exact JSON.

    ``depth`` is how many more levels may open, ``left`` how many bytes may still be written. Returns what is left, by
    a count that never exceeds the true size: so neither a huge text nor a small graph that unfolds to a huge one is
    ever built.
    """
    kind = type(value)
    if kind is str:
        left -= len(value) + 2
        if left >= 0 and (not value.isascii() or "\0" in value):
            _check_text(value)
    elif kind is int:
        left -= 1
        if not -_INT_LIMIT < value < _INT_LIMIT:
            raise _Bad(f"an int of more than {INT_DIGITS_MAX} digits cannot be read back; pass text")
    elif value is None or kind is bool:
        left -= 4
    elif kind is dict:
        left = _check_dict(value, depth, left - 2)
    elif kind is list or kind is tuple:
        left = _check_list(value, depth, left - 2)
    elif kind is float:
        left -= 3
        if not -_INFINITY < value < _INFINITY:
            raise _Bad(f"{value!r} is not JSON; pass None or text")
    elif uuid_class(value):
        left -= 38
    else:
        raise _Bad(_why_not(value))
    if left < 0:
        raise _Bad(_SIZE)
    return left


def _check_list(value: Sequence[object], depth: int, left: int) -> int:
    if depth <= 0:
        raise _Bad(_too_deep())
    index = 0
    try:
        for index, item in enumerate(value):  # noqa: B007 - the handler below names the place
            if type(item) is str and item.isascii() and "\0" not in item:  # most values; saves the call
                left -= len(item) + 2
                if left < 0:
                    raise _Bad(_SIZE)
            else:
                left = _check(item, depth - 1, left)
    except _Bad as bad:
        bad.steps.append(f"[{index}]")
        raise
    return left


def _check_dict(value: dict[object, object], depth: int, left: int) -> int:
    if depth <= 0:
        raise _Bad(_too_deep())
    key: object = None
    try:
        for key, item in value.items():
            if type(key) is not str:
                raise _Bad(f"the key {show(key, 40)} is {_a(type(key))}, JSON keys are str; pass str keys")
            left = left - len(key) - 3 if key.isascii() and "\0" not in key else _check(key, 0, left)
            if type(item) is str and item.isascii() and "\0" not in item:
                left -= len(item) + 2
                if left < 0:
                    raise _Bad(_SIZE)
            else:
                left = _check(item, depth - 1, left)
    except _Bad as bad:
        bad.steps.append(f".{key}" if type(key) is str and key.isidentifier() else f"[{show(key, 40)}]")
        raise
    return left


def _check_text(value: str) -> None:
    if "\0" in value:
        raise _Bad(f"NUL at character {value.index(chr(0))} of the text cannot be stored by PostgreSQL; remove it")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise _Bad(
            f"the lone surrogate {value[error.start]!r} at character {error.start} of the text is not UTF-8; "
            "decode the bytes with errors='replace', or pass base64"
        ) from None


def uuid_class(value: object) -> Any:
    """Return uuid.UUID if ``value`` is one (subclasses of drivers included). Importing it would cost every process."""
    for base in type(value).__mro__:
        if base.__name__ == "UUID" and base.__module__ == "uuid":
            return base
    return None


def _uuid_text(value: object) -> str:
    """The encoder's way out for what it doesn't know: after the walk only UUIDs are left."""
    return str(uuid_class(value).__str__(value))


_to_json = json.JSONEncoder(
    ensure_ascii=False, allow_nan=False, check_circular=False, separators=(",", ":"), default=_uuid_text
).encode


# --- messages


def _why_not(value: object) -> str:
    kind = type(value)
    if hasattr(kind, "__members__") and not issubclass(kind, type):
        return f"a member of the enum {kind.__name__} would arrive as a plain value; pass its .value"
    for base in (int, float, str, list, tuple, dict):
        if isinstance(value, base):
            plain = base.__name__
            return f"{_a(kind)} would arrive as a plain {plain}; pass {plain}(value)"
    if hasattr(kind, "__dataclass_fields__"):
        return f"{kind.__name__} is not JSON; pass dataclasses.asdict(value)"
    if isinstance(value, BaseException):
        return f"{kind.__name__} is not JSON; pass str(error)"
    if hasattr(kind, "__fspath__"):
        return f"{kind.__name__} is not JSON; pass str(value)"
    return f"{kind.__name__} is not JSON; {_HINTS.get(kind.__name__, 'pass what identifies it as text or a number')}"


def _a(kind: type) -> str:
    return f"{'an' if kind.__name__[:1].lower() in 'aeiou' else 'a'} {kind.__name__}"


def _too_deep() -> str:
    return f"nested deeper than {DEPTH_MAX} levels, or it contains itself; pass a flatter structure"


def _too_large(size: int | str, max_bytes: int) -> str:
    return f"{size} bytes of JSON exceed the limit of {max_bytes}; store large data elsewhere and pass its name"


def _path(root: str, steps: list[str]) -> str:
    path = (root + "".join(reversed(steps))).removeprefix(".") or "arguments"
    if len(path) <= _PATH_CHARS_MAX:
        return path
    half = _PATH_CHARS_MAX // 2
    return f"{path[:half]}…{path[-half:]}"


def _plain_dict(kwargs: Mapping[str, object]) -> dict[str, object]:
    if not hasattr(kwargs, "keys"):
        raise PayloadError(
            f"kwargs must map names to values, got {type(kwargs).__name__}; write kwargs={{'name': value}}"
        )
    return dict(kwargs)


# --- decoding


def _decode(text: str, depth: int) -> Any:
    if type(text) is not str:
        raise PayloadError(f"a payload must be JSON text, got {type(text).__name__}; nothing else is ever decoded")
    try:
        size = len(text) if text.isascii() else len(text.encode())
    except UnicodeEncodeError as error:
        raise PayloadError(f"a payload with a lone surrogate at character {error.start} is not JSON") from None
    if size > PAYLOAD_BYTES_MAX:
        raise PayloadError(_too_large(size, PAYLOAD_BYTES_MAX))
    try:
        value = _DECODER.decode(text)
        # Only texts that open many brackets or hold escapes can be too deep or hide a surrogate or a NUL.
        if "\\u" in text or text.count("[") + text.count("{") > depth:
            _check(value, depth, PAYLOAD_BYTES_MAX)
    except _Bad as bad:
        raise PayloadError(f"{_path('', bad.steps)}: {bad.reason}") from None
    except RecursionError:
        raise PayloadError(f"{show(text, 60)} is {_too_deep()}") from None
    except ValueError as error:  # JSONDecodeError says where; int() says that there are too many digits
        raise PayloadError(f"{show(text, 60)} is not exact JSON: {error}") from None
    return value


def _no_duplicates(pairs: list[tuple[str, object]]) -> dict[str, object]:
    value = dict(pairs)
    if len(value) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise ValueError(f"the key {show(key, 40)} stands twice in one object")
            seen.add(key)
    return value


def _finite(digits: str) -> float:
    value = float(digits)
    if not -_INFINITY < value < _INFINITY:
        raise ValueError(f"{digits:.60} is beyond what a float can hold")
    return value


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


_DECODER = json.JSONDecoder(object_pairs_hook=_no_duplicates, parse_float=_finite, parse_constant=_no_constant)
