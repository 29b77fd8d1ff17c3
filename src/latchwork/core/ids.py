"""Task ids: UUIDs of version 7, made by the client, ordered by the millisecond in which they were made.

Layout after RFC 9562, section 5.7: 48 bits of Unix time in milliseconds, 4 bits version (7), 12 random bits,
2 bits variant (binary 10), 62 random bits. Time and randomness are arguments. 74 random bits make a collision
within one millisecond a matter of 10^11 ids; the primary key refuses it then.
"""

from __future__ import annotations

from latchwork.core.show import show
from latchwork.errors import InputError

RANDOM_BYTES = 10  # 80 bits are taken, 74 of them used
_MS_MAX = 2**48 - 1  # the year 10889
_HEX = frozenset("0123456789abcdef")
_GROUPS = [8, 4, 4, 4, 12]


def uuid7(now_ms: int, random_bytes: bytes) -> str:
    """Return the UUIDv7 of ``now_ms`` (milliseconds since the epoch) and 10 random bytes, as lower-case text.

    Raises InputError for a time outside 0 to 2^48 - 1 or another number of bytes.
    """
    if not 0 <= now_ms <= _MS_MAX:
        raise InputError(f"the time of an id must be 0 to {_MS_MAX} milliseconds since the epoch, got {show(now_ms)}")
    if len(random_bytes) != RANDOM_BYTES:
        raise InputError(f"an id needs {RANDOM_BYTES} random bytes, got {len(random_bytes)}")
    random = int.from_bytes(random_bytes, "big")
    low = (random & (2**62 - 1)) | 1 << 63
    high = now_ms << 16 | 7 << 12 | (random >> 62 & 0xFFF)
    text = f"{high:016x}{low:016x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def check_id(text: object) -> str:
    """Return the id in lower case if it is a UUID written 8-4-4-4-12, of any version. Else raise InputError."""
    if not isinstance(text, str):
        raise InputError(f"an id must be a str, got {type(text).__name__}")
    lower = text.lower()
    groups = lower.split("-")
    if [len(group) for group in groups] != _GROUPS or not _HEX.issuperset("".join(groups)):
        raise InputError(f"{show(text)} is no task id; ids look like 01890a5d-ac96-774b-bcce-b302099a8057")
    return lower


def created_ms(task_id: str) -> int:
    """Return when the id was made, in milliseconds since the epoch. Raises InputError if it is no UUIDv7."""
    task_id = check_id(task_id)
    if task_id[14] != "7" or task_id[19] not in "89ab":
        raise InputError(f"{task_id!r} is no UUID of version 7, so it does not tell its time")
    return int(task_id[:8] + task_id[9:13], 16)
