"""The parts of the executor that can be seen without a process: frames, captured output, errors, a child's reports."""

from __future__ import annotations

import json
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from latchwork.core.plan_types import Outcome
from latchwork.errors import ExecutorError
from latchwork.executor import wire
from latchwork.executor.capture import Capture
from latchwork.executor.failure import clean, describe, shorten, type_name
from latchwork.executor.reports import Question, read_report
from latchwork.executor.template_process import signal_text

# --- frames


@given(st.lists(st.text(max_size=200)), st.data())
def test_frames_survive_any_cutting_of_the_stream(texts: list[str], data: st.DataObject) -> None:
    texts = [text.encode("utf-8", "replace").decode() for text in texts]
    stream = b"".join(wire.pack("word", text) for text in texts)
    frames, reader = [], wire.Frames()
    while stream:
        cut = data.draw(st.integers(1, len(stream)))
        frames += reader.feed(stream[:cut])
        stream = stream[cut:]
    assert [frame.decode() for frame in frames] == [f"word {text}" for text in texts]


def test_a_frame_beyond_the_limit_is_refused_before_it_is_read() -> None:
    with pytest.raises(ExecutorError, match="was announced"):
        wire.Frames().feed(b"\xff\xff\xff\xff")


def test_a_message_beyond_the_limit_is_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "FRAME_BYTES_MAX", 100)
    with pytest.raises(ExecutorError, match="exceeds the limit"):
        wire.pack("word", "x" * 100)


# --- output


@given(st.lists(st.binary(max_size=60)), st.integers(2, 50))
def test_captured_output_is_whole_below_the_limit_and_head_and_tail_above(chunks: list[bytes], limit: int) -> None:
    capture = Capture(limit)
    for chunk in chunks:
        capture.add(chunk)
    whole, half, kept = b"".join(chunks), limit // 2, capture.text()
    if not whole:
        assert kept is None
    elif len(whole) <= 2 * half:
        assert kept == clean(whole.decode("utf-8", "replace"))
    else:
        assert kept is not None
        head, marker, tail = kept.split("\n… ", 1)[0], *kept.split("\n… ", 1)[1].split(" bytes dropped …\n", 1)
        assert head == clean(whole[:half].decode("utf-8", "ignore"))
        assert tail == clean(whole[-half:].decode("utf-8", "ignore"))
        assert int(marker) == len(whole) - 2 * half


def test_draining_takes_what_the_pipe_holds_and_does_not_wait_for_more() -> None:
    read, write = os.pipe()
    os.set_blocking(read, False)
    os.write(write, b"x" * 60_000)
    capture = Capture()
    capture.drain(read)
    assert capture.text() == "x" * 60_000
    os.close(read)
    os.close(write)


# --- errors


def test_text_is_made_fit_for_postgresql() -> None:
    assert clean("plain") == "plain"
    assert clean("nul \0, surrogate \udc80, pair \U0001f600") == "nul \ufffd, surrogate \ufffd, pair \U0001f600"


@given(st.text(max_size=300), st.integers(2, 100))
def test_shortened_text_keeps_its_ends(text: str, limit: int) -> None:
    short = shorten(text, limit)
    assert short == text or (short.startswith(text[: limit // 2]) and short.endswith(text[-(limit // 2) :]))
    assert len(short) <= max(len(text), limit + 40)


def test_built_in_errors_are_named_without_their_module() -> None:
    assert type_name(ValueError) == "ValueError"
    assert type_name(json.JSONDecodeError) == "json.decoder.JSONDecodeError"


def test_an_error_whose_class_breaks_everything_is_described() -> None:
    class Hostile(Exception):
        def __str__(self) -> str:
            raise SystemExit

        __repr__ = __str__

    error = describe(Hostile())
    assert error["type"].endswith("Hostile")
    assert "raised SystemExit" in error["message"]
    assert error["traceback"]


def test_signals_are_named() -> None:
    assert signal_text(9) == "signal 9 (SIGKILL)"
    assert signal_text(50) == "signal 50"


# --- reports


def test_reports_are_read() -> None:
    assert read_report(1, b'completed {"a": [1]}') == Outcome(1, "completed", '{"a": [1]}')
    assert read_report(1, b'call [7, "get", {"id": "x"}]') == Question(7, "get", {"id": "x"})
    failed = read_report(1, json_frame("failed", {"type": "T", "message": "m\0", "traceback": "t"}))
    assert isinstance(failed, Outcome)
    assert json.loads(failed.error or "") == {"type": "T", "message": "m\ufffd", "traceback": "t"}


def test_a_reported_error_is_cut_to_its_limits_whoever_sent_it() -> None:
    failed = read_report(
        1, json_frame("failed", {"type": "T" * 10**6, "message": "m" * 10**6, "traceback": "t" * 10**6})
    )
    assert isinstance(failed, Outcome)
    assert len(failed.error or "") < 80_000


@pytest.mark.parametrize(
    "frame",
    [b"", b"completed", b"completed {", b"completed NaN", b'completed "\\u0000"', b'completed "\\ud800"',
     b"completed 1 2", b"failed {}", b'failed {"type": 1, "message": "", "traceback": ""}', b"failed null",
     b'call ["1", "get", {}]',
     b'call [1, "get", []]', b"call [1]", b"other {}", b"\xff\xfe", b"completed \xff"],
)  # fmt: skip
def test_anything_else_is_refused(frame: bytes) -> None:
    with pytest.raises(ExecutorError):
        read_report(1, frame)


def json_frame(word: str, value: object) -> bytes:
    return f"{word} {json.dumps(value)}".encode()
